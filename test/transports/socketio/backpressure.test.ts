import { connect } from 'node:net';
import { expect } from 'chai';
import { drop } from '@rollcall/server/internal/transports/socketio/engines';
import type { Socket } from 'socket.io';
import { until } from '../../sdk/support/until.ts';
import { call, client, closeClients, next } from './clients.ts';
import type { RawClient } from './raw.ts';
import { rawClient } from './raw.ts';
import type { Served } from './serve.ts';
import { ask, serve } from './serve.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
const engines = [
  ['main', '/socket.io/?EIO=4&transport=websocket'],
  ['legacy', '/socket.io/?EIO=3&transport=websocket'],
] as const;

interface Pair {
  readonly raw: RawClient;
  readonly socket: Socket;
  /** Why the socket ended. */
  readonly reason: () => string | undefined;
}

/** A client that reads nothing after the handshake, and the server's end of it. */
const stalled = async (served: Served, path: string): Promise<Pair> => {
  const io = path.includes('EIO=4') ? served.engines.io : served.engines.legacy;
  const connected = new Promise<Socket>((resolve) => io?.once('connection', resolve));
  const raw = await rawClient(served.port, path, { paused: true });
  if (path.includes('EIO=4')) raw.send('40');
  const socket = await connected;
  let reason: string | undefined;
  socket.once('disconnect', (why) => (reason = why));
  return { raw, socket, reason: () => reason };
};

const memory = (): number => {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
};

const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

for (const [name, path] of engines) {
  describe(`a reader of the ${name} engine that never reads`, () => {
    let served: Served;
    let pair: Pair;
    const open = async (options: Parameters<typeof serve>[0] = {}): Promise<void> => {
      served = await serve(options);
      pair = await stalled(served, path);
    };
    afterEach(async () => {
      pair.raw.destroy();
      await served.close();
    });

    it('costs little more than 1 MiB while 1 GB is sent to it in a single loop, and is ended as slow', async () => {
      await open();
      const news = 'x'.repeat(10 * KiB);
      const before = memory();
      let most = 0;
      for (let count = 0; count < 100_000; count += 1) {
        pair.socket.emit('news', news);
        if (count % 50 === 0) most = Math.max(most, served.engines.pending(pair.socket));
      }
      expect(memory() - before).to.be.below(24 * MiB);
      expect(most).to.be.within(MiB - 600 * KiB, MiB + 20 * KiB);
      await until(() => pair.reason() === 'slow');
      expect(served.engines.stats()).to.include({ connections: 0, slowDrops: 1 });
    });

    it('is ended as slow as well if it is sent to a little at a time', async () => {
      await open();
      let most = 0;
      for (let count = 0; pair.reason() === undefined && count < 10_000; count += 1) {
        pair.socket.emit('news', 'x'.repeat(16 * KiB));
        most = Math.max(most, served.engines.pending(pair.socket));
        await nextTurn();
      }
      expect(pair.reason()).to.equal('slow');
      expect(most).to.be.within(MiB, MiB + 33 * KiB);
    });

    it('is ended as slow when it has not taken what little waits for it in time', async () => {
      await open({ drainMs: 500 });
      while (served.engines.pending(pair.socket) < 100 * KiB) {
        pair.socket.emit('news', 'x'.repeat(16 * KiB));
        await nextTurn();
      }
      await until(() => pair.reason() === 'slow');
      expect(served.engines.stats().slowDrops).to.equal(1);
    });

    it('may be given one large answer, and 1 MiB of events beside it', async () => {
      await open();
      const { socket } = pair;
      socket.on('large', (acknowledge: (text: string) => void) => acknowledge('x'.repeat(8 * MiB - 100)));
      pair.raw.send('421["large"]');
      await until(() => served.engines.pending(socket) > MiB);
      for (let sent = 0; sent < 15; sent += 1) socket.emit('news', 'x'.repeat(64 * KiB));
      await nextTurn();
      expect(socket.connected).to.equal(true);
      for (let sent = 0; sent < 5; sent += 1) socket.emit('news', 'x'.repeat(64 * KiB));
      await until(() => pair.reason() === 'slow');
    });

    it('cannot pile up large answers', async () => {
      await open();
      let most = 0;
      pair.socket.on('large', (acknowledge: (text: string) => void) => {
        acknowledge('x'.repeat(8 * MiB - 100));
        most = Math.max(most, served.engines.pending(pair.socket));
      });
      for (let id = 0; id < 50; id += 1) pair.raw.send(`42${id}["large"]`);
      await until(() => pair.reason() === 'slow');
      expect(most).to.be.within(8 * MiB, 24 * MiB);
    });

    it('gets no more volatile events once 256 KiB wait', async () => {
      await open();
      let sent = 0;
      while (served.engines.emitVolatile(pair.socket, 'telemetry', 'x'.repeat(16 * KiB))) {
        sent += 1;
        if (sent % 4 === 0) await nextTurn();
      }
      expect(served.engines.pending(pair.socket)).to.be.within(256 * KiB, 256 * KiB + 17 * KiB);
      expect(served.engines.emitVolatile(pair.socket, 'telemetry', 1)).to.equal(false);
      expect(served.engines.stats().volatileDrops).to.equal(2);
      expect(pair.socket.connected).to.equal(true);
    });

    it('is gone soon after it was dropped, whatever waits for it', async () => {
      await open();
      for (let sent = 0; served.engines.pending(pair.socket) < 100 * KiB; sent += 1) {
        pair.socket.emit('news', 'x'.repeat(16 * KiB));
        await nextTurn();
      }
      drop(pair.socket);
      expect(pair.socket.connected).to.equal(false);
      await until(() => served.engines.stats().connections === 0, 2000);
    });

    it('is gone soon after it broke a rule, whatever waits for it', async () => {
      await open();
      for (let sent = 0; served.engines.pending(pair.socket) < 100 * KiB; sent += 1) {
        pair.socket.emit('news', 'x'.repeat(16 * KiB));
        await nextTurn();
      }
      pair.raw.send('4nonsense');
      await until(() => served.engines.stats().connections === 0, 2000);
    });
  });
}

describe('a reader that reads', () => {
  let served: Served;
  before(async () => (served = await serve()));
  after(() => served.close());
  afterEach(closeClients);

  for (const version of ['4.8', '2.5.0', '1.7.4'] as const) {
    it(`gets 64 MiB of events and an answer of 7 MiB in order (${version})`, async () => {
      const one = client(version, served.url);
      const io = version === '4.8' ? served.engines.io : served.engines.legacy;
      const socket = await new Promise<Socket>((resolve) => io?.once('connection', resolve));
      await next(one, 'connect');
      socket.on('large', (acknowledge: (text: string) => void) => acknowledge('x'.repeat(7 * MiB)));
      const heard: number[] = [];
      one.on('news', (count: number) => heard.push(count));
      for (let count = 0; count < 1024; count += 1) {
        socket.emit('news', count, 'x'.repeat(64 * KiB));
        while (served.engines.pending(socket) > 512 * KiB) await nextTurn();
      }
      expect((await call<string>(one, 'large')).length).to.equal(7 * MiB);
      expect(heard).to.deep.equal([...Array(1024).keys()]);
      expect(served.engines.stats().slowDrops).to.equal(0);
    });
  }
});

describe('a client of the legacy engine that polls', () => {
  it('has to read what it asked for in time', async () => {
    const served = await serve({ drainMs: 300 });
    served.engines.legacy?.on('connection', (socket) => {
      socket.on('large', (acknowledge: (text: string) => void) => acknowledge('x'.repeat(8 * MiB - 100)));
    });
    const polling = '/socket.io/?EIO=3&transport=polling';
    const answer = await ask(served, polling);
    const session = `${polling}&sid=${/"sid":"([^"]+)"/.exec(answer)?.[1]}`;
    await ask(served, session);
    const poll = connect(served.port, '127.0.0.1').pause();
    poll.write(`GET ${session} HTTP/1.1\r\nHost: x\r\n\r\n`);
    await ask(served, session, '12:421["large"]');
    let open = 1;
    await until(() => {
      void served.connections().then((count) => (open = count));
      return open === 0;
    });
    poll.destroy();
    await served.close();
  });

  it('and stops is ended as slow at 1 MiB', async () => {
    const served = await serve();
    const connected = new Promise<Socket>((resolve) => served.engines.legacy?.once('connection', resolve));
    await fetch(`${served.url}/socket.io/?EIO=3&transport=polling`).then((response) => response.text());
    const socket = await connected;
    const reason = next<string>(socket, 'disconnect');
    for (let count = 0; count < 1000; count += 1) socket.emit('news', 'x'.repeat(10 * KiB));
    expect(await reason).to.equal('slow');
    expect(served.engines.stats()).to.include({ connections: 0, slowDrops: 1 });
    await served.close();
  });
});
