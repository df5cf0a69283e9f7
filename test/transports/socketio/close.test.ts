import { expect } from 'chai';
import { until } from '../../sdk/support/until.ts';
import { client, closeClients, next } from './clients.ts';
import { rawClient } from './raw.ts';
import { ask, serve } from './serve.ts';

/** What keeps the process alive, by kind. */
const handles = (): readonly string[] =>
  process.getActiveResourcesInfo().filter((kind) => /TCP|Server|Timeout|Immediate/.test(kind));

const timers = (): number => handles().filter((kind) => kind === 'Timeout').length;

const timed = async (work: () => Promise<void>): Promise<number> => {
  const start = performance.now();
  await work();
  return performance.now() - start;
};

describe('close()', () => {
  afterEach(closeClients);

  it('ends at once with clients of every kind connected, and tells them', async () => {
    const served = await serve();
    const clients = [
      client('4.8', served.url),
      client('2.5.0', served.url),
      client('1.7.4', served.url),
      client('1.7.4', served.url, { transports: ['polling'] }),
      client('2.5.0', served.url, { transports: ['polling', 'websocket'] }),
    ];
    await Promise.all(clients.map((each) => next(each, 'connect')));
    const told = Promise.all(clients.map((each) => next(each, 'disconnect')));
    expect(await timed(() => served.engines.close())).to.be.below(1000);
    await told;
    await served.close();
  });

  it('ends within half a second with clients that do not listen', async () => {
    const served = await serve();
    const raw = await Promise.all([
      rawClient(served.port, undefined, { paused: true }),
      rawClient(served.port, '/socket.io/?EIO=3&transport=websocket', { paused: true }),
    ]);
    served.engines.legacy?.emit('news', 'x'.repeat(900_000));
    expect(await timed(() => served.close())).to.be.below(1000);
    for (const each of raw) each.destroy();
  });

  it('leaves nothing behind: no socket, no server, no timer', async () => {
    await until(() => handles().length === timers());
    const before = timers();
    const served = await serve();
    const raw = await Promise.all(Array.from({ length: 20 }, () => rawClient(served.port)));
    for (const each of raw.slice(0, 10)) each.send('40');
    const poll = fetch(`${served.url}/socket.io/?EIO=3&transport=polling`).then((response) => response.text());
    await poll;
    await served.close();
    for (const each of raw) each.destroy();
    await until(() => handles().length === timers() && timers() <= before + 1);
    expect(served.engines.stats().connections).to.equal(0);
  });

  it('leaves no timer of polling clients that broke a rule or polled twice at a time', async () => {
    const before = timers();
    const served = await serve();
    const sessions = await Promise.all(
      Array.from({ length: 10 }, async () => {
        const answer = await ask(served, '/socket.io/?EIO=3&transport=polling');
        return `/socket.io/?EIO=3&transport=polling&sid=${/"sid":"([^"]+)"/.exec(answer)?.[1]}`;
      }),
    );
    await Promise.all(sessions.slice(0, 5).map((path) => ask(served, path, '9:4nonsense')));
    await Promise.all(sessions.slice(5).map((path) => ask(served, path, 'no payload')));
    await served.close();
    await until(() => timers() <= before + 1);
  });

  it('does not wait for an upgrade that was begun and never ended', async () => {
    const served = await serve();
    const answer = await fetch(`${served.url}/socket.io/?EIO=3&transport=polling`).then((response) => response.text());
    const sid = /"sid":"([^"]+)"/.exec(answer)?.[1] ?? '';
    const raw = await rawClient(served.port, `/socket.io/?EIO=3&transport=websocket&sid=${sid}`, { paused: true });
    expect(raw.status).to.contain('101');
    expect(await timed(() => served.close())).to.be.below(1000);
    raw.destroy();
  });

  it('refuses who comes afterwards', async () => {
    const served = await serve();
    await served.engines.close();
    expect((await rawClient(served.port)).status).to.contain('503');
    await served.close();
  });
});
