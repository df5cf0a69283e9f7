import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { connectAs, register, type MeshbluSocket } from '../support/meshblu.ts';
import { onBothStores, onTwoNodes } from '../support/registries.ts';
import { until } from '../support/until.ts';

const messageDeliveries = 60;
const settings = { messageDeliveries, privateWebhooks: true };

/** Requests that a message may cause if each of them comes back as one more message of a device with so many hooks. */
const requestsOf = (hooks: number, left = messageDeliveries): number => {
  let requests = 0;
  for (let hook = 0; hook < hooks && left > 0; hook += 1) {
    const passed = Math.floor((left - 1) / 2);
    left -= 1 + passed;
    requests += 1 + requestsOf(hooks, passed);
  }
  return requests;
};

type PostBack = (headers: IncomingHttpHeaders, count: number) => Promise<unknown>;

/** A receiver of webhooks that calls the registry back at each request. */
const openLoop = async (postBack: PostBack) => {
  let count = 0;
  let pending = 0;
  const failures: unknown[] = [];
  const server: Server = createServer((request, response) => {
    request.resume();
    count += 1;
    pending += 1;
    // Answered afterwards: forwarded credentials end with their request.
    postBack(request.headers, count)
      .catch((error: unknown) => failures.push(error))
      .finally(() => {
        pending -= 1;
        response.end();
      });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    failures,
    count: () => count,
    isIdle: () => pending === 0,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
};

const call = async (url: string, method: string, path: string, headers: Record<string, string>, body: unknown): Promise<void> => {
  const response = await fetch(url + path, {
    method,
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  await response.arrayBuffer();
  if (!response.ok) throw new Error(`${method} ${path} was answered with ${response.status}`);
};
const basic = ({ uuid, token }: MeshbluSocket): Record<string, string> => ({
  authorization: `Basic ${Buffer.from(`${uuid}:${token}`).toString('base64')}`,
});
/** What the request said of how many further ones there may be. */
const repeated = (headers: IncomingHttpHeaders): Record<string, string> => ({
  'x-rollcall-requests-left': String(headers['x-rollcall-requests-left']),
});

const loops = (urls: () => readonly string[]): void => {
  const urlOf = (count: number): string => urls()[count % urls().length] ?? '';

  const endsAt = async (
    hooks: number,
    begin: (device: MeshbluSocket) => Promise<unknown>,
    options: object,
    kind: string,
    postBack: (device: MeshbluSocket) => PostBack,
  ) => {
    const device = await connectAs(urlOf(0), await register(urlOf(0)));
    const loop = await openLoop(postBack(device));
    try {
      const sent = Array.from({ length: hooks }, (_, at) => ({
        type: 'webhook',
        url: `${loop.url}${at}`,
        method: 'POST',
        ...options,
      }));
      await device.ask('update', { meshblu: { forwarders: { [kind]: { sent } } } });
      // The change that sets the hooks is a change too.
      const first = kind === 'configure' ? requestsOf(hooks) : 0;
      await until(() => loop.count() === first && loop.isIdle(), 15_000);
      await begin(device);
      await until(() => loop.count() === first + requestsOf(hooks) && loop.isIdle(), 15_000);
      await device.ask('status', {});
      expect(loop.count()).to.equal(first + requestsOf(hooks));
      expect(loop.failures).to.deep.equal([]);
    } finally {
      device.close();
      await loop.close();
    }
  };

  const message = (device: MeshbluSocket) => ({ devices: [device.uuid], payload: 'again' });
  const send = (device: MeshbluSocket) => device.ask('message', message(device));

  for (const hooks of [1, 2]) {
    it(`ends a loop of messages through ${hooks} webhooks that repeat the header (S4)`, async () => {
      await endsAt(
        hooks,
        send,
        {},
        'message',
        (device) => (headers, count) =>
          call(urlOf(count), 'POST', '/messages', { ...basic(device), ...repeated(headers) }, message(device)),
      );
    });
  }

  it('ends a loop of messages through a webhook that uses the forwarded credentials (S4)', async () => {
    await endsAt(
      1,
      send,
      { generateAndForwardMeshbluCredentials: true },
      'message',
      (device) => (headers, count) =>
        call(urlOf(count), 'POST', '/messages', { authorization: String(headers.authorization) }, message(device)),
    );
  });

  it('ends a loop of changes through a webhook that repeats the header (S4)', async () => {
    await endsAt(
      1,
      (device) => device.ask('update', { n: -1 }),
      {},
      'configure',
      (device) => (headers, n) =>
        call(urlOf(n), 'PATCH', `/v2/devices/${device.uuid}`, { ...basic(device), ...repeated(headers) }, { n }),
    );
  });
};

onBothStores('webhooks that post back', (registries) => {
  let url = '';
  before(async () => ({ url } = await registries.start(settings)));
  loops(() => [url]);
});

onTwoNodes('webhooks that post back to two nodes', settings, (nodes) => {
  loops(() => nodes.map(({ url }) => url));

  it('delivers a message once to each device of a mesh whose devices are on two nodes (S4)', async () => {
    const urlOf = (at: number): string => nodes[at % nodes.length]?.url ?? '';
    const mesh = await Promise.all(Array.from({ length: 12 }, async (_, at) => connectAs(urlOf(at), await register(urlOf(at)))));
    const sender = await connectAs(urlOf(1), await register(urlOf(1)));
    try {
      for (const { uuid, ask } of mesh)
        await ask('update', { meshblu: { messageForward: mesh.map((one) => one.uuid).filter((one) => one !== uuid) } });
      await sender.ask('message', { devices: [mesh[0]?.uuid], payload: 1 });
      const counts = (): readonly number[] => mesh.map((one) => one.got('message').length);
      const expected = mesh.map((_one, at) => (at === 0 ? 2 : 1));
      await until(() => counts().join() === expected.join(), 15_000);
      // A message that was sent later comes after whatever was still on its way.
      await sender.ask('message', { devices: mesh.map(({ uuid }) => uuid).slice(1), payload: 2 });
      await until(() => counts().every((count, at) => count > (expected[at] ?? 0)), 15_000);
      expect(
        mesh.map((one) => one.got('message').filter((got) => (got as { payload: number }).payload === 1).length),
      ).to.deep.equal(expected);
    } finally {
      for (const one of [...mesh, sender]) one.close();
    }
  });
});
