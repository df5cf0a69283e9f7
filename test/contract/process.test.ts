import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { connectAs, connectRaw, register } from '../support/meshblu.ts';
import { until } from '../support/until.ts';

interface Logged {
  readonly id?: string;
  readonly err?: { readonly message: string };
}

const main = fileURLToPath(import.meta.resolve('@rollcall/server/internal/app/main'));

describe('a registry as a process', function () {
  this.timeout(120_000);
  let child: ChildProcess;
  let url = '';
  let folder = '';
  let errors = '';

  const start = async (options: readonly string[] = []): Promise<void> => {
    child = spawn(process.execPath, [...options, main], {
      env: {
        PATH: process.env['PATH'],
        ROLLCALL_PORT: '0',
        ROLLCALL_DATA_DIR: folder,
        ROLLCALL_CALLS_PER_MINUTE: '0',
        ROLLCALL_LOG_LEVEL: 'error',
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let printed = '';
    child.stdout?.on('data', (text: Buffer) => (printed += text.toString()));
    child.stderr?.on('data', (text: Buffer) => (errors += text.toString()));
    await until(() => /^rollcall ready (\S+)$/m.test(printed), 20_000);
    url = /^rollcall ready (\S+)$/m.exec(printed)?.[1] ?? '';
  };
  const ended = (): Promise<number | null> => new Promise((resolve) => child.once('exit', (code) => resolve(code)));
  const figure = async (name: string): Promise<number> => {
    const text = await (await fetch(`${url}/metrics`)).text();
    return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
  };

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'rollcall-process-'));
    await start();
  });
  after(async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await ended();
    }
    await rm(folder, { recursive: true, force: true });
  });

  it('keeps what it acknowledged through kill -9', async () => {
    const made: string[] = [];
    const raw = await connectRaw(url);
    for (let index = 0; index < 20; index += 1) made.push((await raw.ask<{ uuid: string }>('register', { index })).uuid);
    const owner = await register(url);
    const a = await connectAs(url, owner);
    for (let index = 0; index < 20; index += 1) await a.ask('update', { index });
    const { token } = await a.ask<{ token: string }>('generateAndStoreToken', { uuid: a.uuid });
    child.kill('SIGKILL');
    await ended();
    await start();
    const again = await connectAs(url, { uuid: owner.uuid, token });
    expect(await again.ask('whoami', {})).to.include({ index: 19 });
    for (const uuid of made) expect(await again.ask('device', { uuid })).to.have.property('device');
    again.close();
  });

  it('carries a thousand silent sockets, broken frames, floods and readers that never read, and is as before afterwards', async () => {
    const victim = await connectAs(url, await register(url));
    const before = await figure('rollcall_transports');

    const silent = await Promise.all(Array.from({ length: 1_000 }, () => connectRaw(url)));
    expect(await victim.ask('status', {})).to.deep.equal({ meshblu: 'online' });

    const { hostname, port } = new URL(url);
    const broken = Array.from({ length: 50 }, (_, index) => {
      const socket = connectTcp(Number(port), hostname);
      socket.on('error', () => undefined);
      socket.write(
        index % 2 === 0 ? 'GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n\r\n' : '\0\u0001\u0002'.repeat(1000),
      );
      return socket;
    });

    const flooding = await connectAs(url, await register(url));
    for (let index = 0; index < 5_000; index += 1) flooding.socket.emit('message', { devices: [flooding.uuid], index });

    const deaf = await connectAs(url, await register(url));
    await deaf.ask('subscribe', { uuid: victim.uuid });
    (deaf.socket.io.engine.transport as unknown as { ws: { _socket: { pause(): void } } }).ws._socket.pause();
    const payload = 'x'.repeat(50_000);
    for (let index = 0; index < 300; index += 1) await victim.ask('message', { devices: ['*'], payload });

    await victim.ask('update', JSON.parse(`{"x":${'['.repeat(3_000)}${']'.repeat(3_000)}}`));
    await until(async () => (await figure('rollcall_slow_drops')) >= 1, 30_000);
    for (const raw of silent) raw.close();
    for (const socket of broken) socket.destroy();
    flooding.close();
    deaf.close();
    await until(async () => (await figure('rollcall_transports')) <= before, 30_000);
    expect(await victim.ask('whoami', {})).to.include({ uuid: victim.uuid });
    victim.close();
    await until(async () => (await figure('rollcall_connections')) === 0);
    expect(errors).to.equal('');
  });

  it('closes a connection whose event has 65,000 arguments, and no other one notices (S1)', async () => {
    const victim = await connectAs(url, await register(url));
    const bad = await connectAs(url, await register(url));
    bad.socket.emit('x', ...Array.from({ length: 60_000 }, () => 1));
    await until(() => bad.socket.disconnected);
    expect(await victim.ask('whoami', {})).to.include({ uuid: victim.uuid });
    victim.close();
    expect(errors).to.equal('');
  });

  it('its event loop is not held by one bad client', async () => {
    const bad = await connectAs(url, await register(url));
    const deep = JSON.parse(`${'{"a":'.repeat(1_000)}1${'}'.repeat(1_000)}`) as object;
    const values = Array.from({ length: 100 }, (_, value) => value);
    const many = { $or: Array.from({ length: 60 }, (_, index) => ({ [`a${index}`]: { $in: values } })) };
    /** The longest delay of the loop during some work, in seconds; the figure starts anew whenever it is read. */
    const longest = async (work: () => Promise<unknown>): Promise<number> => {
      await figure('nodejs_eventloop_lag_max_seconds');
      for (let round = 0; round < 10; round += 1) await work();
      return figure('nodejs_eventloop_lag_max_seconds');
    };
    const attack = async (): Promise<void> => {
      await bad.ask('devices', many);
      await bad.ask('update', deep);
      await bad.ask('update', { list: Array.from({ length: 10_000 }, (_, value) => value) });
    };
    // A loop that the client holds is held each time; one that the machine was too busy for is not.
    let held = Number.POSITIVE_INFINITY;
    for (let attempt = 0; attempt < 5 && held >= 0.25; attempt += 1) held = Math.min(held, await longest(attack));
    expect(held).to.be.lessThan(0.25);
    bad.close();
  });

  it('ends well when it is told to, and starts again on what it kept', async () => {
    const owner = await register(url);
    const a = await connectAs(url, owner);
    child.kill('SIGTERM');
    expect(await ended()).to.equal(0);
    await until(() => a.socket.disconnected);
    await start();
    (await connectAs(url, owner)).close();
  });

  it('logs an error that was not caught with an id, tells its clients, and ends with an exit code for its supervisor (S1)', async () => {
    child.kill('SIGTERM');
    await ended();
    await start(['--import', `data:text/javascript,process.on('SIGUSR2',()=>{throw new Error('thrown by the test')})`]);
    const owner = await register(url);
    const a = await connectAs(url, owner);
    await a.ask('update', { color: 'blue' });
    const left = new Promise((resolve) => a.socket.once('disconnect', resolve));
    const code = ended();
    child.kill('SIGUSR2');
    expect(await code).to.equal(1);
    expect(await left).to.be.oneOf(['io server disconnect', 'transport close']);
    const lines = errors.split('\n').flatMap((line) => (line.startsWith('{') ? [JSON.parse(line) as Logged] : []));
    const line = lines.find(({ err }) => err?.message === 'thrown by the test');
    expect(line?.id).to.match(/^\S{21}$/);
    errors = '';
    await start();
    const again = await connectAs(url, owner);
    expect(await again.ask('whoami', {})).to.include({ color: 'blue' });
    again.close();
  });

  it('a second one does not start on the same data folder', async () => {
    const second = spawn(process.execPath, [main], {
      env: { PATH: process.env['PATH'], ROLLCALL_PORT: '0', ROLLCALL_DATA_DIR: folder },
    });
    let said = '';
    second.stderr.on('data', (text: Buffer) => (said += text.toString()));
    const code = await new Promise((resolve) => second.once('exit', resolve));
    expect(code).to.equal(1);
    expect(said).to.include('rollcall did not start');
  });

  it('says every bad setting at once, and does not start', async () => {
    const env = { PATH: process.env['PATH'], ROLLCALL_PORT: 'x', ROLLCALL_LEGACY: 'maybe', ROLLCALL_PROT: '1' };
    const second = spawn(process.execPath, [main], { env });
    let said = '';
    second.stderr.on('data', (text: Buffer) => (said += text.toString()));
    expect(await new Promise((resolve) => second.once('exit', resolve))).to.equal(1);
    for (const name of Object.keys(env).filter((key) => key.startsWith('ROLLCALL_'))) expect(said).to.include(name);
  });
});
