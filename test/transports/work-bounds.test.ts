import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { adminPassword } from '../mqtt/support/ground.ts';
import { connectAs, register, type Made } from '../support/meshblu.ts';
import { onBothStores } from '../support/registries.ts';
import { oneMore, tries } from './support/bound-tries.ts';
import { callers, type Place, type Transport } from './support/callers.ts';

const rows = readFileSync(new URL('../../../docs/work-bounds.md', import.meta.url), 'utf8')
  .split('\n')
  .map((line) => line.split('|').map((cell) => cell.trim()))
  .filter(([, , bound = '']) => /^\d+$/.test(bound))
  .map(([, what = '', bound = '', , beyond = '']) => ({ what, bound: Number(bound), beyond: beyond.replaceAll('`', '') }));

/** Longest time that another client may wait for an answer, in milliseconds: generous, as the machine may be busy. */
const maxWaitMs = 2_000;

/** Fails if another client is not answered soon while something is sent. */
const whileServed = async <T>(place: Place, other: Made, send: () => Promise<T>): Promise<T> => {
  const client = await connectAs(place.url, other);
  try {
    const begun = performance.now();
    const waited = (async () => {
      expect(await client.ask('status', {})).to.have.property('meshblu', 'online');
      return performance.now() - begun;
    })();
    const [sent, ms] = await Promise.all([send(), waited]);
    expect(ms, 'milliseconds until another client was answered').to.be.below(maxWaitMs);
    return sent;
  } finally {
    client.close();
  }
};

onBothStores('the bounds of work', (registries) => {
  const options = { legacy: true, mqttPort: 0, adminPassword };
  let place: Place;
  let full: Made;
  let other: Made;
  const boundOf = (name: string): number => rows.find(({ what }) => what === name)?.bound ?? 0;

  before(async () => {
    const first = await registries.start(options);
    full = await register(first.url);
    other = await register(first.url);
    await first.close();
    const { uuid } = full;
    await registries.inspect(async (store) => {
      const tokens = Array.from({ length: boundOf('session tokens of a device') - 1 }, (_, n) => ({
        _id: `full-${n}`,
        uuid,
        hashedToken: `${n}`,
        metadata: {},
      }));
      await store.collection('tokens').insertMany(tokens);
      const subscriptions = Array.from({ length: boundOf('stored subscriptions of a device') - 1 }, (_, n) => ({
        _id: `full-${n}`,
        subscriberUuid: uuid,
        emitterUuid: `emitter-${n}`,
        type: 'message.sent',
      }));
      await store.collection('subscriptions').insertMany(subscriptions);
    });
    const registry = await registries.again(options);
    place = { url: registry.url, broker: registry.mqtt[0] ?? '' };
  });

  it('are tried one by one, as the document names them (S5)', () => {
    expect(rows.map(({ what }) => what)).to.have.members([...Object.keys(tries), ...Object.keys(oneMore)]);
  });

  const sendOver = async (
    transport: Transport,
    device: Made,
    send: (client: Awaited<ReturnType<(typeof callers)['HTTP']>>) => Promise<string | undefined>,
  ) => {
    const client = await callers[transport](place, device);
    try {
      return await whileServed(place, other, () => send(client));
    } finally {
      client.close();
    }
  };

  for (const { what, bound, beyond } of rows) {
    const { over, send, slack = 0 } = tries[what] ?? { over: [], send: () => Promise.resolve(undefined) };
    for (const transport of over) {
      it(`take ${bound} ${what} over ${transport}, not more, and others are served meanwhile (S1, S4, S5)`, async () => {
        for (const [size, expected] of [
          [bound - slack, undefined],
          [bound + Math.max(1, slack), beyond],
        ] as const) {
          const found = await sendOver(transport, await register(place.url), (client) => send(size, client));
          expect(found, `${size}`).to.equal(expected);
        }
      });
    }
    const more = oneMore[what];
    if (more === undefined) continue;
    it(`take ${bound} ${what}, and refuse one more over ${more.over.join(', ')} (S4)`, async () => {
      const [first = 'HTTP'] = more.over;
      expect(await sendOver(first, full, (client) => more.send(bound, client))).to.equal(undefined);
      for (const transport of more.over)
        expect(await sendOver(transport, full, (client) => more.send(bound + 1, client)), transport).to.equal(beyond);
    });
  }
});
