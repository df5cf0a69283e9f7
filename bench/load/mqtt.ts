import type { Loop, MqttConnectsJob, MqttMessagesJob } from './jobs.ts';
import { recorded, together } from './loop.ts';
import { connectMqttWire, type MqttWire } from './mqtt-wire.ts';

const payloadBytes = 100;

/** Pairs of a publisher and a subscriber; each keeps so many messages on their way. */
export const runMqttMessages = async (job: MqttMessagesJob): Promise<Loop> => {
  const wires: MqttWire[] = [];
  const connect = async (index: number, role: string): Promise<MqttWire> => {
    const wire = await connectMqttWire(job.url, { ...job.logins[index % job.logins.length], clientId: `${role}-${index}` });
    wires.push(wire);
    return wire;
  };
  const loop = await recorded(job, (recorder) =>
    together(job.pairs, async (index) => {
      const device = `${job.topics[index % job.topics.length]}/device-${index}`;
      const topic = `${device}/3303/0/5700`;
      const [publisher, subscriber] = [await connect(index, 'publisher'), await connect(index, 'subscriber')];
      publisher.publish(`${device}/device`, Buffer.from('{}'), 1);
      await subscriber.subscribe(topic, job.qos);
      await new Promise<void>((resolve) => {
        let underWay = 0;
        const send = (): void => {
          underWay += 1;
          const payload = Buffer.alloc(payloadBytes, ' ');
          payload.write(JSON.stringify(performance.now()));
          publisher.publish(topic, payload, job.qos);
        };
        subscriber.onMessage = (payload) => {
          underWay -= 1;
          recorder.completed(Number(payload.toString()));
          if (recorder.isRunning()) send();
          else if (underWay === 0) resolve();
        };
        for (let n = 0; n < job.inFlight; n += 1) send();
      });
    }),
  );
  for (const wire of wires) wire.close();
  return loop;
};

/** Connects all clients, so many at once, and closes them when all are connected. */
export const runMqttConnects = async (job: MqttConnectsJob): Promise<Loop> => {
  const wires: MqttWire[] = [];
  let begun = 0;
  const from = performance.now();
  const loop = await recorded({ warmUpMs: 0, ms: 3_600_000 }, (recorder) =>
    together(job.atOnce, async () => {
      while (begun < job.count) {
        const index = begun++;
        const beganAt = performance.now();
        wires.push(await connectMqttWire(job.url, { ...job.logins[index % job.logins.length], clientId: `client-${index}` }));
        recorder.completed(beganAt);
      }
    }),
  );
  const seconds = (performance.now() - from) / 1000;
  for (const wire of wires) wire.close();
  return { ...loop, perSecond: job.count / seconds };
};
