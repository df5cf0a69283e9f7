import { createRequire } from 'node:module';
import { operations } from '@rollcall/server/internal/operations/operation-table';
import { expect } from 'chai';
import { connectAs, connectRaw, register, type Made, type MeshbluSocket } from '../support/meshblu.ts';
import { onBothStores } from '../support/registries.ts';
import { until } from '../support/until.ts';

interface LegacySocket {
  on(event: string, listener: () => void): void;
  emit(event: string, ...values: unknown[]): void;
  close(): void;
}
const legacyIo = createRequire(import.meta.url)('socket.io-client-2') as (url: string, options: object) => LegacySocket;

/** Arguments that no row has asked for. */
const garbage: readonly (readonly [string, readonly unknown[]])[] = [
  ['nothing', []],
  ['null', [null]],
  ['a text', ['text']],
  ['a number', [5]],
  ['a list', [['x']]],
  ['a boolean', [true]],
  ['an object in the place of every text', [{ uuid: { $gt: '' }, token: { $ne: null }, update: 5 }]],
  ['a list in the place of every text', [{ uuid: ['x'], token: ['y'], update: [] }]],
  ['a huge text', [{ uuid: 'x'.repeat(60_000), token: 'y'.repeat(60_000) }]],
  ['three arguments', [{}, {}, {}]],
  ['options that are no object', [{}, 'options']],
  ['unknown options', [{}, { hurry: true }]],
  ['a bad request id', [{}, { reqId: 'x' }]],
  ['a bad revision', [{}, { rev: -1 }]],
];

const isTyped = (answer: unknown): boolean => {
  if (answer === null || answer === undefined) return true;
  if (typeof answer !== 'object') return false;
  if (!('error' in answer)) return true;
  // `events` answers in Meshblu's own form (MS-2.19).
  const { error } = answer;
  const text = typeof error === 'object' && error !== null && 'message' in error ? error.message : error;
  return typeof text === 'string' && text !== 'Internal Server Error';
};

onBothStores('bad input', (registries) => {
  let url = '';
  let a: MeshbluSocket;
  before(async () => {
    ({ url } = await registries.start({ legacy: true }));
    a = await connectAs(url, await register(url));
  });
  after(() => {
    a.close();
  });

  const again = async (): Promise<void> => {
    expect(await (await fetch(`${url}/healthz`)).json()).to.deep.equal({ status: 'ok' });
  };

  for (const name of operations.keys()) {
    if (name === 'unregister' || name === 'resetToken') continue;
    it(`${name} answers every argument with a result or a typed error`, async () => {
      for (const [what, values] of garbage) {
        const answer = await a.call(name, ...values);
        expect(answer.every(isTyped), `${what}: ${JSON.stringify(answer)}`).to.equal(true);
      }
      expect(a.socket.connected).to.equal(true);
      a.socket.emit(name);
      a.socket.emit(name, {});
      await again();
    });
  }

  it('the legacy listener answers every argument too', async () => {
    const made = await register(url);
    const socket = legacyIo(url, { transports: ['websocket'], reconnection: false, forceNew: true });
    await new Promise<void>((resolve) => {
      socket.on('ready', () => resolve());
      socket.on('identify', () => socket.emit('identity', { ...made, auto_set_online: false }));
    });
    for (const name of operations.keys()) {
      if (name === 'unregister' || name === 'resetToken') continue;
      for (const [what, values] of garbage) {
        const answer = await new Promise<unknown[]>((resolve) =>
          socket.emit(name, ...values, (...all: unknown[]) => resolve(all)),
        );
        expect(answer.every(isTyped), `${name}, ${what}: ${JSON.stringify(answer)}`).to.equal(true);
      }
    }
    socket.close();
  });

  it('unknown events, and events that Socket.IO keeps for itself, do no harm', async () => {
    expect(await a.ask('no such event', { a: 1 })).to.deep.equal({ error: 'Not Found' });
    expect(await a.ask('users:none', {})).to.include({ code: 'unknown-event', status: 404 });
    expect(await a.ask('__proto__', {})).to.deep.equal({ error: 'Not Found' });
    expect(await a.ask('constructor', {})).to.deep.equal({ error: 'Not Found' });
    expect(await a.ask('tb', 'text')).to.deep.equal({ error: 'Not Found' });
    await again();
  });

  it('forbidden keys, depth and numbers get a typed error, and the connection goes on', async () => {
    const deep = JSON.parse(`${'{"a":'.repeat(2_000)}1${'}'.repeat(2_000)}`) as object;
    const named = (key: string) => JSON.parse(`{"x":{"${key}":1}}`) as object;
    for (const argument of [
      deep,
      named('__proto__'),
      named('constructor'),
      named('prototype'),
      named('toJSON'),
      named('_bsontype'),
      { x: { '': 1 } },
    ]) {
      expect(await a.ask('update', argument)).to.include({ error: 'Unprocessable Entity' });
    }
    expect(await a.ask('update', { x: 'lone \ud800' })).to.include({ error: 'Unprocessable Entity' });
    expect(a.socket.connected).to.equal(true);
  });

  it('a packet over the limit closes its connection and no other', async () => {
    const other = await connectAs(url, await register(url));
    other.socket.emit('update', { blob: 'x'.repeat(1_048_576) });
    await until(() => other.socket.disconnected);
    expect(await a.ask('status', {})).to.deep.equal({ meshblu: 'online' });
  });

  it('binary closes its connection and no other, if it cannot be answered', async () => {
    const other = await connectAs(url, await register(url));
    expect(await other.ask('update', { blob: Buffer.from('x') })).to.deep.include({ error: 'Unprocessable Entity' });
    other.socket.emit('update', { blob: Buffer.from('x') });
    await until(() => other.socket.disconnected);
    await again();
  });

  it('more calls at once than may wait are all carried out, each exactly once (D2)', async () => {
    const other = await connectAs(url, await register(url));
    let answers = 0;
    const count = 400;
    await new Promise<void>((resolve) => {
      for (let index = 0; index < count; index += 1) {
        other.socket.emit('update', { index }, (answer: { error?: string }) => {
          answers += 1;
          expect(answer.error).to.equal(undefined);
          if (answers === count) resolve();
        });
      }
    });
    expect(answers).to.equal(count);
    expect(await other.ask('whoami', {})).to.include({ index: count - 1 });
    other.close();
  });

  it('a thousand connections without identity are carried, and gone when they close', async () => {
    const opened = await Promise.all(Array.from({ length: 1_000 }, () => connectRaw(url)));
    expect(await a.ask('status', {})).to.deep.equal({ meshblu: 'online' });
    for (const raw of opened) raw.close();
    await again();
  }).timeout(60_000);

  it('a document with a name that looks like an operator is stored under its own name', async () => {
    const made = await register(url, { $set: { a: 1 } });
    const own = await connectAs(url, made as Made);
    expect(await own.ask('whoami', {})).to.deep.include({ $set: { a: 1 } });
    own.close();
  });
});
