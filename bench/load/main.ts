import { runCalls, runReadYourWrite } from './calls.ts';
import { hold, release, runConnects } from './connects.ts';
import { runDriver } from './driver.ts';
import { runMqttConnects, runMqttMessages } from './mqtt.ts';
import { runHttp } from './http.ts';
import type { Job, Loop } from './jobs.ts';

const nothing: Loop = { perSecond: 0, p50: 0, p99: 0, failed: 0, loadBusy: 0 };

const run = async (job: Job): Promise<Loop> => {
  switch (job.kind) {
    case 'calls':
      return runCalls(job);
    case 'http':
      return runHttp(job);
    case 'driver':
      return runDriver(job);
    case 'connects':
      return runConnects(job);
    case 'readYourWrite':
      return runReadYourWrite(job);
    case 'mqttMessages':
      return runMqttMessages(job);
    case 'mqttConnects':
      return runMqttConnects(job);
    case 'hold':
      await hold(job);
      return nothing;
    case 'release':
      await release();
      return nothing;
  }
};

// The load process of `bench/main.ts`: one job at a time comes by IPC, its outcome or the text of its failure goes back.
process.on('message', (job) => {
  run(job as Job).then(
    (outcome) => process.send?.({ outcome }),
    (error: unknown) => process.send?.({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
  );
});
process.on('disconnect', () => process.exit(0));
