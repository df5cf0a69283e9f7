import { randomUUID } from 'node:crypto';
import { expect } from 'chai';
import { connectMqtt, closeClients, refusalOf } from '../mqtt/support/client.ts';
import { connectAs, register, v2, type Made } from '../support/meshblu.ts';
import { onBothStores } from '../support/registries.ts';
import { until } from '../support/until.ts';

/** A uuid with a letter in it, so that it has two forms. */
const upper = ({ uuid }: { readonly uuid: string }): string => uuid.toUpperCase();

onBothStores('a uuid in capital letters', (registries) => {
  let url = '';
  let broker = '';
  let a: Made;
  let b: Made;
  const old = `ABCDEF00-${randomUUID().slice(9).toUpperCase()}`;
  before(async () => {
    const registry = await registries.start({ mqttPort: 0, openRegistration: true }, async (store) => {
      const twin = { meshblu: { version: '2.0.0', whitelists: { discover: { view: [{ uuid: '*' }] } } } };
      await store.collection('devices').insertMany([
        { uuid: old, name: 'exact', ...twin },
        { uuid: old.toLowerCase(), name: 'lower', ...twin },
      ] as never);
    });
    url = registry.url;
    broker = registry.mqtt[0] ?? '';
  });
  beforeEach(async () => {
    a = await register(url);
    b = await register(
      url,
      v2({ 'configure.as': [a.uuid], 'configure.update': [a.uuid], 'discover.view': ['*'], 'message.from': ['*'] }),
    );
  });
  afterEach(closeClients);

  const ask = async (method: string, path: string, headers: Record<string, string>, body?: unknown) => {
    const answer = await fetch(url + path, {
      method,
      headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    return { status: answer.status, body: (text === '' ? {} : JSON.parse(text)) as Record<string, unknown> };
  };
  const basic = (uuid: string, token: string) => ({
    authorization: `Basic ${Buffer.from(`${uuid}:${token}`).toString('base64')}`,
  });

  it('names the same device in credentials and paths of HTTP (W11)', async () => {
    for (const headers of [
      basic(upper(a), a.token),
      { meshblu_auth_uuid: upper(a), meshblu_auth_token: a.token },
      { 'x-meshblu-uuid': upper(a), 'x-meshblu-token': a.token },
    ])
      expect((await ask('GET', '/v2/whoami', headers)).body, JSON.stringify(headers)).to.include({ uuid: a.uuid });
    const own = basic(upper(a), a.token);
    expect((await ask('GET', '/v2/whoami', basic(upper(a), b.token))).status).to.equal(401);
    expect((await ask('GET', `/v3/devices/${upper(b)}`, own)).body).to.include({ uuid: b.uuid });
    expect((await ask('PATCH', `/v2/devices/${upper(b)}`, own, { x: 1 })).status).to.equal(204);
    expect((await ask('GET', `/v2/devices/${b.uuid}`, own)).body).to.include({ x: 1 });
    expect((await ask('POST', '/authenticate', {}, { uuid: upper(a), token: a.token })).status).to.be.below(300);
    const third = await register(url, v2({ 'configure.update': [b.uuid] }));
    expect((await ask('PATCH', `/v2/devices/${third.uuid}`, own, { x: 1 })).status).to.equal(403);
    const acting = { ...own, 'x-meshblu-as': upper(b) };
    expect((await ask('PATCH', `/v2/devices/${third.uuid}`, acting, { x: 1 })).status).to.equal(204);
    const made = await ask('POST', `/devices/${upper(b)}/tokens`, own, {});
    expect(made.body).to.include({ uuid: b.uuid });
    expect((await ask('GET', '/v2/whoami', basic(b.uuid, String(made.body['token'])))).status).to.equal(200);
    const subscription = await ask('POST', `/v2/devices/${upper(a)}/subscriptions/${upper(b)}/broadcast.sent`, own);
    expect(subscription.status).to.be.below(300);
    const { body } = await ask('GET', `/v2/devices/${a.uuid}/subscriptions`, own);
    expect(JSON.stringify(body)).to.include(b.uuid).and.not.to.include(upper(b));
    expect((await ask('DELETE', `/devices/${upper(b)}`, own)).status).to.equal(200);
    expect((await ask('GET', `/v3/devices/${b.uuid}`, own)).status).to.equal(403);
  });

  it('names the same device over Socket.IO (W11)', async () => {
    const [one, other] = [await connectAs(url, { ...a, uuid: upper(a) }), await connectAs(url, b)];
    expect(await one.ask('whoami', {})).to.include({ uuid: a.uuid });
    expect(await one.ask('update', { uuid: upper(b), y: 2 })).to.include({ uuid: b.uuid });
    await one.ask('message', { devices: [upper(b)], payload: 'hello' });
    await until(() => other.got('message').length > 0);
    expect(other.got('message')[0]).to.deep.include({ devices: [b.uuid], fromUuid: a.uuid });
    one.close();
    other.close();
  });

  it('names the same device over MQTT (W11)', async () => {
    const names = { username: upper(a), password: a.token };
    expect(await refusalOf(broker, { ...names, clientId: 'x' })).to.equal(0);
    expect(await refusalOf(broker, { ...names, password: b.token, clientId: 'y' })).to.equal(4);
    const client = await connectMqtt(broker, { ...names, clientId: 'z' });
    await client.subscribe(a.uuid);
    await client.publish('update', JSON.stringify({ uuid: upper(b), z: 3, callbackId: '1' }));
    await until(() => client.texts(a.uuid).some((text) => text.includes('callbackId')));
    expect((await ask('GET', `/v2/devices/${b.uuid}`, basic(a.uuid, a.token))).body).to.include({ z: 3 });
  });

  it('names the device that has exactly this uuid, if there is one (W11)', async () => {
    const own = basic(a.uuid, a.token);
    expect((await ask('GET', `/v2/devices/${old}`, own)).body).to.include({ name: 'exact' });
    expect((await ask('GET', `/v2/devices/${old.toLowerCase()}`, own)).body).to.include({ name: 'lower' });
  });
});
