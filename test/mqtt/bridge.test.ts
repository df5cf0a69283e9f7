import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { onBothStores } from '../support/registries.ts';
import { until } from '../support/until.ts';
import { closeClients, connectMqtt, type TestClient } from './support/client.ts';
import { adminPassword, openStage } from './support/ground.ts';

const sbin = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/usr/local/sbin` };

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });

onBothStores('a Mosquitto bridge with its default settings', (registries) => {
  let folder = '';
  let bridge: ChildProcess | undefined;
  let output = '';
  before(function () {
    if (spawnSync('mosquitto', ['-h'], { env: sbin }).error === undefined) return;
    this.test!.title = 'skipped: mosquitto is not installed (Debian package mosquitto)';
    this.skip();
  });
  afterEach(async () => {
    closeClients();
    bridge?.kill('SIGKILL');
    if (folder !== '') await rm(folder, { recursive: true, force: true });
  });

  const connected = async (port: number): Promise<TestClient> => {
    let client: TestClient | undefined;
    await until(async () => {
      client = await connectMqtt(`mqtt://127.0.0.1:${port}`).catch(() => undefined);
      return client !== undefined;
    });
    if (client === undefined) throw new Error(output);
    return client;
  };

  it('gets through, and passes messages both ways (W9)', async () => {
    const registry = await registries.start({ mqttPort: 0, adminPassword });
    const broker = registry.mqtt[0] ?? '';
    await (await openStage(registry.url)).user('anna', { 'plant/#': 'readWrite' });
    const port = await freePort();
    folder = await mkdtemp(join(tmpdir(), 'rollcall-bridge-'));
    const settings = [
      ...(process.getuid?.() === 0 ? ['user root'] : []),
      `listener ${port} 127.0.0.1`,
      'allow_anonymous true',
      'connection registry',
      `address ${new URL(broker).host}`,
      'remote_username anna',
      'remote_password secret1',
      'topic plant/up/# out 1',
      'topic plant/down/# in 1',
    ];
    await writeFile(join(folder, 'bridge.conf'), `${settings.join('\n')}\n`);
    bridge = spawn('mosquitto', ['-v', '-c', join(folder, 'bridge.conf')], { env: sbin });
    bridge.stderr?.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const [near, far] = [await connected(port), await connectMqtt(broker, { username: 'anna', password: 'secret1' })];
    await near.subscribe('plant/down/#', 1);
    await far.subscribe('plant/up/#', 1);
    // The bridge subscribes when it is connected.
    await until(() => output.includes('Received SUBACK from'), 15_000);
    for (const text of ['1', '2', '3']) {
      await near.publish('plant/up/a', text, { qos: 1 });
      await far.publish('plant/down/a', text, { qos: 1 });
    }
    const all = ['1', '2', '3'];
    await until(() => far.got.length >= 3 && near.got.length >= 3, 10_000);
    expect([far.texts('plant/up/a'), near.texts('plant/down/a')]).to.deep.equal([all, all]);
    expect(output.match(/Connecting bridge \(step 1\)/g), output).to.have.length(1);
  });
});
