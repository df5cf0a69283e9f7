import { expect } from 'chai';
import type { HandshakeLimits, Handshake } from '@rollcall/server/internal/transports/socketio/handshake-limit';
import { handshakeLimits, openHandshakeLimit } from '@rollcall/server/internal/transports/socketio/handshake-limit';
import { until } from '../../sdk/support/until.ts';
import type { RawClient } from './raw.ts';
import { rawClient } from './raw.ts';
import type { Served } from './serve.ts';
import { serve } from './serve.ts';

const rawClients = (port: number, count: number): Promise<RawClient[]> =>
  Promise.all(Array.from({ length: count }, () => rawClient(port)));

describe('the door', () => {
  let time = 0;
  const door = (limits: Partial<HandshakeLimits>) => {
    let inside = 0;
    const log: string[] = [];
    const admission = openHandshakeLimit(
      { ...handshakeLimits, ...limits },
      () => inside,
      () => time,
    );
    const come = (address = 'a', isGone = () => false): void => {
      const candidate: Handshake = {
        address,
        isGone,
        accept: () => void (log.push('in'), (inside += 1)),
        refuse: (reason) => void log.push(reason),
      };
      admission.admit(candidate);
    };
    return { log, come, close: () => admission.close() };
  };
  beforeEach(() => (time = 0));

  it('lets in at once who comes alone', () => {
    const { log, come, close } = door({});
    come();
    expect(log).to.deep.equal(['in']);
    close();
  });

  it('lets a crowd in by handfuls, so that others have their turn in between, and everybody in the end', async () => {
    const { log, come, close } = door({});
    for (let count = 0; count < 1000; count += 1) come();
    const steps = new Set<number>();
    for (; log.length < 1000; await new Promise(setImmediate)) steps.add(log.length);
    expect(steps.size).to.be.above(20);
    expect([...steps][0]).to.equal(32);
    close();
  });

  it('lets in no more in a second than it may, and the others later', async () => {
    const { log, come, close } = door({ acceptPerSecond: 5 });
    for (let count = 0; count < 8; count += 1) come();
    await until(() => log.length === 5);
    time = 400;
    await until(() => log.length === 7);
    time = 600;
    await until(() => log.length === 8);
    close();
  });

  it('refuses an address that comes too often in one second, and no other', () => {
    const { log, come, close } = door({ acceptPerAddressPerSecond: 2 });
    for (const address of ['a', 'a', 'a', 'b']) come(address);
    time = 1001;
    come('a');
    expect(log).to.deep.equal(['in', 'in', 'rate', 'in', 'in']);
    close();
  });

  it('refuses everybody while it is full, those waiting included', async () => {
    const { log, come, close } = door({ maxConnections: 40 });
    for (let count = 0; count < 50; count += 1) come();
    await until(() => log.length === 50);
    expect(log.filter((entry) => entry === 'busy').length).to.equal(10);
    close();
  });

  it('forgets who has gone away in the meantime, and refuses the rest when it closes', async () => {
    const { log, come, close } = door({ acceptPerSecond: 1 });
    let gone = false;
    come();
    come('a', () => gone);
    gone = true;
    come();
    time = 1000;
    await until(() => log.length === 2);
    come();
    close();
    come();
    expect(log).to.deep.equal(['in', 'in', 'busy', 'busy']);
  });
});

describe('connections', () => {
  let served: Served | undefined;
  afterEach(() => served?.close());

  it('that never enter the namespace, 1,000 of them, are closed after the time allowed, and counted down to none', async () => {
    served = await serve({ connectTimeoutMs: 500 });
    const { engines, port } = served;
    const clients = await rawClients(port, 1000);
    expect(clients.every(({ status }) => status.includes('101'))).to.equal(true);
    await until(() => clients.every((each) => each.isClosed()));
    expect(engines.stats().connections).to.equal(0);
  });

  it('beyond the number allowed get 503', async () => {
    served = await serve({ maxConnections: 3 });
    const clients = await rawClients(served.port, 5);
    expect(clients.map(({ status }) => status.slice(9, 12)).sort()).to.deep.equal(['101', '101', '101', '503', '503']);
  });

  it('from an address that comes too often get 429', async () => {
    served = await serve({ acceptPerAddressPerSecond: 0 });
    expect((await rawClient(served.port)).status).to.contain('429 Too Many Requests');
    expect((await fetch(`${served.url}/socket.io/?EIO=3&transport=polling`)).status).to.equal(429);
  });
});
