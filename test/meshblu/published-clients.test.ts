import { expect } from 'chai';
import { connectAs, register, type Made } from '../support/meshblu.ts';
import { openPublished, type PublishedClient } from '../support/published.ts';
import { onBothStores } from '../support/registries.ts';
import { until } from '../support/until.ts';

/** Calls a method that ends with a callback of the answer. */
const ask = <T = Record<string, unknown>>(client: PublishedClient, method: string, ...values: unknown[]): Promise<T> =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${method} was not answered`)), 8_000);
    (client[method] as (...all: unknown[]) => void).call(client, ...values, (...answer: unknown[]) => {
      clearTimeout(timer);
      resolve(answer[0] as T);
    });
  });

const once = (client: PublishedClient, event: string): Promise<unknown> =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${event} never came`)), 8_000);
    client.on(event, (value: unknown) => {
      clearTimeout(timer);
      resolve(value);
    });
  });

onBothStores('published Meshblu clients', (registries) => {
  let url = '';
  before(async () => {
    ({ url } = await registries.start({ legacy: true }));
  });

  for (const [name, open] of Object.entries(openPublished)) {
    it(`${name}: connects, changes itself, is told, hands out tokens and unregisters`, async () => {
      const a = await register(url, { name: 'höwdy ✓' });
      const client = open(new URL(url), a);
      const configs: { color?: string }[] = [];
      client.on('config', (config: { color?: string }) => configs.push(config));
      expect(await once(client, 'ready')).to.include({ api: 'connect', status: 201, uuid: a.uuid, token: a.token });
      const whoami = name.includes('1.') ? await ask(client, 'whoami', {}) : await ask(client, 'whoami');
      expect(whoami).to.include({ uuid: a.uuid, name: 'höwdy ✓' });
      expect(await ask(client, 'update', { uuid: a.uuid, color: 'blé' })).to.include({ uuid: a.uuid, status: 200 });
      await until(() => configs.some(({ color }) => color === 'blé'));
      const { device } = await ask<{ device: { uuid: string } }>(client, 'device', { uuid: a.uuid });
      expect(device.uuid).to.equal(a.uuid);
      const { devices } = await ask<{ devices: { uuid: string }[] }>(client, 'devices', { color: 'blé' });
      expect(devices.map(({ uuid }) => uuid)).to.include(a.uuid);
      const made = await ask<Made>(client, 'register', { type: 'child', owner: a.uuid, name: '✓ ünï' });
      const child = await connectAs(url, made);
      expect(await child.ask('whoami', {})).to.include({ name: '✓ ünï', owner: a.uuid });
      const session = await ask<Made>(client, 'generateAndStoreToken', { uuid: made.uuid });
      const second = await connectAs(url, session);
      await ask(client, 'revokeToken', { uuid: made.uuid, token: session.token });
      await until(() => second.socket.disconnected);
      await ask(client, 'unregister', { uuid: made.uuid });
      await until(() => child.socket.disconnected);
      client.close(() => undefined);
    });

    it(`${name}: is registered if it comes without credentials`, async () => {
      const client = open(new URL(url), {});
      const ready = (await once(client, 'ready')) as Made;
      expect(ready.token).to.match(/^[0-9a-f]{40}$/);
      client.close(() => undefined);
    });

    it(`${name}: is told when its token is wrong`, async () => {
      const a = await register(url);
      const client = open(new URL(url), { ...a, token: 'x' });
      expect(await once(client, 'notReady')).to.include({ api: 'connect', status: 401 });
      client.close(() => undefined);
    });
  }
});
