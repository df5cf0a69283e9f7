import { createVerify } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  checkHost,
  isPublic,
  PrivateAddressError,
  publicLookup,
} from '@rollcall/server/internal/realtime/messages/public-address';
import { expect } from 'chai';
import { connectAs, register, v2, type Made, type MeshbluSocket } from '../support/meshblu.ts';
import { onBothStores } from '../support/registries.ts';
import { until } from '../support/until.ts';

interface Received {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: Record<string, unknown>;
}

/** A server that keeps what it gets and answers with the status that the path names. */
const receiver = async () => {
  const received: Received[] = [];
  const server: Server = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8');
    request.on('data', (part: string) => (text += part));
    request.on('end', () => {
      const { method, url, headers } = request;
      received.push({ method, url, headers, body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>) });
      response.writeHead(Number(/\/(\d{3})/.exec(url ?? '')?.[1] ?? 200)).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { received, url: `http://127.0.0.1:${port}`, close: () => new Promise((resolve) => server.close(resolve)) };
};

onBothStores('webhooks and forwarders (Meshblu reference, 6.3 and 6.5)', (registries) => {
  let url = '';
  let hooks: Awaited<ReturnType<typeof receiver>>;
  const open: MeshbluSocket[] = [];
  before(async () => {
    ({ url } = await registries.start({ privateWebhooks: true }));
    hooks = await receiver();
  });
  afterEach(() => {
    for (const socket of open.splice(0)) socket.close();
    hooks.received.splice(0);
  });
  after(() => hooks.close());

  const make = async (properties: unknown = {}): Promise<MeshbluSocket> => {
    const socket = await connectAs(url, await register(url, properties));
    open.push(socket);
    return socket;
  };
  const hook = (more: object = {}) => ({ type: 'webhook', url: `${hooks.url}/200`, method: 'POST', ...more });
  const forwarders = (lists: object) => ({ meshblu: { forwarders: lists } });

  it('a sent hook runs when the device emits, with what it emitted', async () => {
    const a = await make(forwarders({ message: { sent: [hook(), hook()] }, broadcast: { sent: [hook({ method: 'PUT' })] } }));
    await a.ask('message', { devices: ['*'], payload: 1 });
    await until(() => hooks.received.length === 1);
    expect(hooks.received[0]).to.deep.include({ method: 'PUT', body: { devices: ['*'], payload: 1 } });
    expect(hooks.received[0]?.headers).to.include({
      'x-meshblu-message-type': 'broadcast.sent',
      'x-meshblu-uuid': a.uuid,
      'content-type': 'application/json',
    });
    await a.ask('message', { devices: [a.uuid], payload: 2 });
    await until(() => hooks.received.length === 2);
    expect(hooks.received[1]?.headers).to.include({ 'x-meshblu-message-type': 'message.sent' });
  });

  it('a received hook runs when the device listens to what it receives, with the route', async () => {
    const [s, r] = [await make(), await make(forwarders({ message: { received: [hook()] } }))];
    await s.ask('message', { devices: [r.uuid], payload: 0 });
    await r.ask('createSubscription', { subscriberUuid: r.uuid, emitterUuid: r.uuid, type: 'message.received' });
    await s.ask('message', { devices: [r.uuid], payload: 1 });
    await until(() => hooks.received.length === 1);
    const [got] = hooks.received;
    expect(got?.body).to.deep.equal({ devices: [r.uuid], payload: 1 });
    expect(JSON.parse(String(got?.headers['x-meshblu-route']))).to.deep.equal([
      { from: s.uuid, to: r.uuid, type: 'message.received' },
      { from: r.uuid, to: r.uuid, type: 'message.received' },
    ]);
  });

  it('changes and the end of a device run its hooks', async () => {
    const a = await make(forwarders({ configure: { sent: [hook()] }, unregister: { sent: [hook()] } }));
    await a.ask('update', { colour: 'red' });
    await until(() => hooks.received.length === 1);
    expect(hooks.received[0]?.body).to.include({ uuid: a.uuid, colour: 'red' });
    expect(hooks.received[0]?.body).to.not.have.any.keys('token', '_id', '_rollcall');
    await a.ask('unregister', { uuid: a.uuid });
    await until(() => hooks.received.length === 2);
    expect(hooks.received[1]?.headers).to.include({ 'x-meshblu-message-type': 'unregister.sent' });
  });

  it('credentials of a request live as long as the request', async () => {
    const a = await make(forwarders({ broadcast: { sent: [hook({ generateAndForwardMeshbluCredentials: true })] } }));
    await a.ask('message', { devices: ['*'] });
    await until(() => hooks.received.length === 1);
    const bearer = String(hooks.received[0]?.headers.authorization).replace('Bearer ', '');
    const [uuid = '', token = ''] = Buffer.from(bearer, 'base64').toString('utf8').split(':');
    expect(uuid).to.equal(a.uuid);
    expect(token).to.match(/^[0-9a-f]{40}$/);
    await until(async () => {
      const { tokens } = await a.ask<{ tokens: { root?: boolean }[] }>('searchTokens', {});
      return tokens.every(({ root }) => root === true);
    });
  });

  it('a signed request can be verified with the public key', async () => {
    const a = await make(forwarders({ broadcast: { sent: [hook({ signRequest: true })] } }));
    await a.ask('message', { devices: ['*'] });
    await until(() => hooks.received.length === 1);
    const headers = hooks.received[0]?.headers ?? {};
    const { publicKey } = (await (await fetch(`${url}/publickey`)).json()) as { publicKey: string };
    const signature = /signature="([^"]+)"/.exec(String(headers.authorization))?.[1] ?? '';
    const signed = `date: ${headers.date}\nx-meshblu-uuid: ${a.uuid}`;
    expect(createVerify('RSA-SHA256').update(signed).verify(publicKey, signature, 'base64')).to.equal(true);
    expect(headers.authorization).to.include('keyId="meshblu-webhook-key"');
  });

  it('what a document puts among the request options does not reach the request', async () => {
    const headers = { 'X-Mine': 'yes', Host: 'evil', 'X-Meshblu-Uuid': 'evil', 'Bad Name': 'x', 'X-Break': 'a\r\nb: c' };
    const a = await make(
      forwarders({ broadcast: { sent: [hook({ headers, host: 'evil', socketPath: '/tmp/x', lookup: 'x' })] } }),
    );
    await a.ask('message', { devices: ['*'] });
    await until(() => hooks.received.length === 1);
    expect(hooks.received[0]?.headers).to.include({ 'x-mine': 'yes', 'x-meshblu-uuid': a.uuid, host: new URL(hooks.url).host });
    expect(hooks.received[0]?.headers).to.not.have.any.keys('x-break', 'bad name');
  });

  it('a failed request is tried again, and its owner can read why', async () => {
    const a = await make(forwarders({ broadcast: { sent: [hook({ url: `${hooks.url}/500?secret=x` })] } }));
    await a.ask('message', { devices: ['*'] });
    await until(() => hooks.received.length === 2);
    const { failures } = await a.ask<{ failures: Record<string, unknown>[] }>('webhooks:failures', { uuid: a.uuid });
    expect(failures.length).to.be.greaterThan(0);
    expect(failures[0]).to.include({ url: `${hooks.url}/500`, status: 500 });
    expect(failures[0]?.['nextTryAt']).to.be.a('string');
    const stranger = await make(v2());
    const closed = await make(v2());
    expect(await stranger.ask('webhooks:failures', { uuid: closed.uuid })).to.include({ code: 'forbidden' });
  });

  it('105: a forwarder emits again what was received, and the old route is kept', async () => {
    const g = await make(v2());
    const f = await make();
    const s2 = await make(v2({ 'broadcast.sent': [f.uuid] }));
    const lists = v2({ 'broadcast.sent': [g.uuid] });
    await f.ask('update', { meshblu: { ...lists.meshblu, forwarders: { broadcast: { received: [{ type: 'meshblu' }] } } } });
    const subscribe = (subscriber: MeshbluSocket, emitter: Made, type: string) =>
      subscriber.ask('createSubscription', { subscriberUuid: subscriber.uuid, emitterUuid: emitter.uuid, type });
    await subscribe(f, s2, 'broadcast.sent');
    await subscribe(f, f, 'broadcast.received');
    await subscribe(g, f, 'broadcast.sent');
    await subscribe(g, g, 'broadcast.received');
    await g.ask('subscribe', { uuid: g.uuid, types: ['firehose'] });
    await s2.ask('message', { devices: ['*'], payload: 1 });
    await until(() => g.got('firehose').length === 1);
    const { metadata } = g.got('firehose')[0] as { metadata: { route: Made[]; forwardedRoutes: { from: string }[][] } };
    expect(metadata.route[0]).to.deep.equal({ from: f.uuid, to: g.uuid, type: 'broadcast.sent' });
    expect(metadata.forwardedRoutes[0]?.[0]).to.deep.equal({ from: s2.uuid, to: f.uuid, type: 'broadcast.sent' });
  });

  it('old settings post messages and send them on, and circles end', async () => {
    const [a, c] = [await make(), await make()];
    const b = await make({ meshblu: { messageHooks: [{ url: `${hooks.url}/200` }], messageForward: [c.uuid] } });
    await c.ask('update', { meshblu: { messageForward: [b.uuid] } });
    await a.ask('message', { devices: [b.uuid], payload: 1 });
    await until(() => c.got('message').length === 1 && hooks.received.length > 0);
    expect(c.got('message')[0]).to.deep.equal({ devices: [c.uuid], payload: 1, fromUuid: b.uuid, forwardedFor: [b.uuid] });
    expect(hooks.received[0]?.body).to.deep.equal({ devices: [b.uuid], payload: 1, fromUuid: a.uuid });
    await until(() => b.got('message').length === 2);
    await b.ask('status', {});
    expect(c.got('message')).to.have.lengthOf(1);
  });
});

describe('addresses that webhooks may reach', () => {
  it('are public ones', () => {
    for (const address of ['93.184.216.34', '2606:2800:220:1::1']) expect(isPublic(address), address).to.equal(true);
    const others =
      '127.0.0.1 10.1.2.3 192.168.0.1 172.16.0.1 169.254.169.254 0.0.0.0 224.0.0.1 100.64.0.1 ::1 ::ffff:127.0.0.1 fe80::1 fc00::1 nonsense';
    for (const address of others.split(' ')) expect(isPublic(address), address).to.equal(false);
  });

  it('are not IPv6 addresses that carry an IPv4 address (S11)', () => {
    const carriers =
      '::ffff:8.8.8.8 ::ffff:7f00:1 ::127.0.0.1 ::7f00:1 ::8.8.8.8 ::ffff:0:127.0.0.1 64:ff9b::127.0.0.1 64:ff9b:1::a00:1 ' +
      '2002:7f00:1:: 2002:808:808::1 2001::7f00:1 2001:0:4136:e378:8000:63bf:3fff:fdd2 100:0:0:1::1 5f00::1 4000::1 fec0::1';
    for (const address of carriers.split(' ')) {
      expect(isPublic(address), address).to.equal(false);
      expect(() => checkHost(new URL(`http://[${address}]/`)), address).to.throw(PrivateAddressError);
    }
  });

  const look = (addresses: readonly string[]): Promise<string> =>
    new Promise((resolve, reject) => {
      const lookup = publicLookup(() => Promise.resolve(addresses.map((address) => ({ address, family: 4 }))));
      lookup('name.example', {}, (error, address) =>
        error ? reject(error) : resolve(typeof address === 'string' ? address : ''),
      );
    });

  it('are the ones that were checked, if a name has several', async () => {
    expect(await look(['93.184.216.34'])).to.equal('93.184.216.34');
    for (const addresses of [['10.0.0.1'], ['93.184.216.34', '127.0.0.1'], []]) {
      const error = await look(addresses).catch((refused: Error) => refused.name);
      expect(error).to.equal('PrivateAddressError');
    }
  });
});

onBothStores('webhooks to private addresses', (registries) => {
  it('are refused unless the setting allows them', async () => {
    const { url } = await registries.start();
    const hooks = await receiver();
    const a = await connectAs(
      url,
      await register(url, { meshblu: { forwarders: { broadcast: { sent: [{ type: 'webhook', url: `${hooks.url}/200` }] } } } }),
    );
    await a.ask('message', { devices: ['*'] });
    let failures: { reason: string }[] = [];
    await until(async () => {
      ({ failures } = await a.ask<{ failures: { reason: string }[] }>('webhooks:failures', { uuid: a.uuid }));
      return failures.length > 0;
    });
    expect(failures[0]?.reason).to.include('not a public address');
    expect(hooks.received).to.deep.equal([]);
    a.close();
    await hooks.close();
  });
});
