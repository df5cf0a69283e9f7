import { expect } from 'chai';
import { register, v2, type Made } from '../support/meshblu.ts';
import { onBothStores } from '../support/registries.ts';

interface Asked {
  readonly as?: Made;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
}

onBothStores("Meshblu's HTTP routes (reference, 2.21)", (registries) => {
  let url = '';
  let a: Made;
  before(async () => {
    ({ url } = await registries.start());
    a = await register(url, v2());
  });

  const basic = ({ uuid, token }: Made): string => `Basic ${Buffer.from(`${uuid}:${token}`).toString('base64')}`;
  const ask = async (method: string, path: string, { as = a, body, headers = {} }: Asked = {}) => {
    const response = await fetch(url + path, {
      method,
      headers: { authorization: basic(as), ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: (text === '' ? undefined : JSON.parse(text)) as unknown };
  };
  const uuidOf = (body: unknown): string => (body as Made).uuid;

  it('POST /devices registers, with or without credentials; a body that is no object counts as {}', async () => {
    const made = await ask('POST', '/devices', { body: { type: 'lamp' } });
    expect(made.status).to.equal(201);
    expect(made.body).to.include({ type: 'lamp', online: false });
    expect((made.body as Made).token).to.match(/^[0-9a-f]{40}$/);
    const bare = await fetch(`${url}/devices`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: 'true' });
    expect(bare.status).to.equal(201);
    expect((await fetch(`${url}/devices`, { method: 'POST' })).status).to.equal(201);
  });

  it('takes credentials from each of the headers that Meshblu clients send', async () => {
    for (const [uuid, token] of [
      ['meshblu_auth_uuid', 'meshblu_auth_token'],
      ['skynet_auth_uuid', 'skynet_auth_token'],
      ['X-Meshblu-UUID', 'X-Meshblu-Token'],
    ] as const) {
      const response = await fetch(`${url}/v2/whoami`, { headers: { [uuid]: a.uuid, [token]: a.token } });
      expect(((await response.json()) as Made).uuid).to.equal(a.uuid);
    }
    const bearer = await fetch(`${url}/v2/whoami`, { headers: { authorization: basic(a).replace('Basic', 'Bearer') } });
    expect(bearer.status).to.equal(200);
  });

  it('answers 401 without or with wrong credentials where some are needed', async () => {
    expect((await fetch(`${url}/v2/whoami`)).status).to.equal(401);
    expect(await ask('GET', '/v2/whoami', { as: { ...a, token: 'x' } })).to.deep.include({
      status: 401,
      body: { error: 'Unauthorized' },
    });
  });

  it('GET devices in its three generations', async () => {
    const b = await register(url, v2({ 'discover.view': [a.uuid] }));
    const hidden = await register(url, v2());
    expect(uuidOf((await ask('GET', `/v3/devices/${b.uuid}`)).body)).to.equal(b.uuid);
    expect(uuidOf((await ask('GET', `/v2/devices/${b.uuid}`)).body)).to.equal(b.uuid);
    const { devices } = (await ask('GET', `/devices/${b.uuid}`)).body as { devices: Made[] };
    expect(devices.map(({ uuid }) => uuid)).to.deep.equal([b.uuid]);
    expect(await ask('GET', `/v3/devices/${hidden.uuid}`)).to.deep.include({ status: 403, body: { error: 'Forbidden' } });
    for (const path of [`/v2/devices/${hidden.uuid}`, `/devices/${hidden.uuid}`]) {
      expect(await ask('GET', path)).to.deep.include({ status: 404, body: { code: 404, message: 'Devices not found' } });
    }
  });

  it('searches by query and by body, and projects', async () => {
    const lit = await register(url, { type: 'http-lamp', online: true, colour: 'red' });
    await register(url, { type: 'http-lamp', online: false });
    const listed = (await ask('GET', '/devices?type=http-lamp&online=true')).body as { devices: Made[] };
    expect(listed.devices.map(({ uuid }) => uuid)).to.deep.equal([lit.uuid]);
    expect((await ask('GET', '/v2/devices?type=http-lamp&colour=')).body).to.have.lengthOf(1);
    const projected = await ask('POST', '/search/devices', {
      body: { type: 'http-lamp', online: true },
      headers: { 'x-meshblu-projection': JSON.stringify({ colour: 1 }) },
    });
    expect(projected.body).to.deep.equal([{ colour: 'red' }]);
    expect((await ask('GET', '/mydevices')).body).to.deep.equal({ devices: [] });
    expect(await ask('POST', '/search/devices', { body: { $where: '1' } })).to.deep.include({
      status: 422,
      body: { error: 'Unprocessable Entity' },
    });
  });

  it('changes by $set, and by operators', async () => {
    const b = await register(url, { count: 1 });
    expect((await ask('PATCH', `/v2/devices/${b.uuid}`, { body: { colour: 'red', token: 'evil', uuid: 'x' } })).status).to.equal(
      204,
    );
    expect((await ask('PUT', `/devices/${b.uuid}`, { body: { size: 2 } })).status).to.equal(204);
    expect((await ask('PUT', `/v2/devices/${b.uuid}`, { body: { $inc: { count: 2 }, $push: { list: 'x' } } })).status).to.equal(
      204,
    );
    const after = await ask('PUT', `/v2/devices/${b.uuid}/find-and-update`, { body: { $unset: { size: 1 } } });
    expect(after.body).to.deep.include({ uuid: b.uuid, colour: 'red', count: 3, list: ['x'] });
    expect(after.body).to.not.have.any.keys('size', 'token');
    const only = await ask('PUT', `/v2/devices/${b.uuid}/find-and-update`, {
      body: { $mult: { count: 2 } },
      headers: { 'x-meshblu-projection': '{"count":1}' },
    });
    expect(only.body).to.deep.equal({ count: 6 });
    const list = await ask('PATCH', `/v2/devices/${b.uuid}`, { body: [1] });
    expect(list).to.deep.include({ status: 422, body: { message: 'Invalid Request' } });
  });

  it('refuses update documents in the words of Meshblu', async () => {
    const b = await register(url);
    for (const [body, message] of [
      [{}, 'Update query must contain at least one key.'],
      [{ $where: { a: 1 } }, 'Update query may only contain authorized keys.'],
      [{ $set: { token: 'x' } }, 'Update query may not modify the token key.'],
      [{ $set: { uuid: 'x' } }, 'Update query may not modify the uuid key.'],
      [{ $set: null }, "Update query may contain null value for a key that starts with '$'."],
    ] as const) {
      const answer = await ask('PUT', `/v2/devices/${b.uuid}`, { body });
      expect(answer.status, JSON.stringify(body)).to.equal(422);
      expect(answer.headers.get('x-meshblu-error')).to.equal(JSON.stringify({ message }));
    }
  });

  it('makes, lists, and ends tokens', async () => {
    const b = await register(url);
    const made = await ask('POST', `/devices/${b.uuid}/tokens`, { body: { tag: 'x' } });
    expect(made.status).to.equal(201);
    expect(made.body).to.include({ uuid: b.uuid, tag: 'x' });
    const { token } = made.body as Made;
    const session = { uuid: b.uuid, token };
    expect((await ask('GET', '/v2/whoami', { as: session })).status).to.equal(200);
    const found = (await ask('POST', '/search/tokens', { as: session, body: { tag: 'x' } })).body as { metadata: object }[];
    expect(found.map(({ metadata }) => metadata)).to.have.lengthOf(1);
    expect((await ask('DELETE', `/devices/${b.uuid}/tokens/${token}`)).status).to.equal(204);
    expect((await ask('GET', '/v2/whoami', { as: session })).status).to.equal(401);
    const tagged = (await ask('POST', `/devices/${b.uuid}/tokens`, { body: { tag: 'y' } })).body as Made;
    expect((await ask('DELETE', `/devices/${b.uuid}/tokens?tag=y`)).status).to.equal(204);
    expect((await ask('GET', '/v2/whoami', { as: { uuid: b.uuid, token: tagged.token } })).status).to.equal(401);
    const reset = await ask('POST', `/devices/${b.uuid}/token`);
    expect(reset.status).to.equal(200);
    expect((await ask('GET', '/v2/whoami', { as: reset.body as Made })).status).to.equal(200);
    expect((await ask('GET', '/v2/whoami', { as: b })).status).to.equal(401);
  });

  it('claims, answers keys and authenticates', async () => {
    const b = await register(url, { publicKey: 'K' });
    expect((await ask('POST', `/claimdevice/${b.uuid}`)).status).to.equal(204);
    expect((await ask('GET', `/devices/${b.uuid}/publickey`)).body).to.deep.equal({ publicKey: 'K' });
    expect((await ask('POST', '/authenticate', { body: b })).status).to.equal(204);
    expect((await ask('GET', `/authenticate/${b.uuid}?token=${b.token}`)).body).to.deep.equal({
      uuid: b.uuid,
      authentication: true,
    });
    expect((await ask('POST', '/authenticate', { body: { ...b, token: 'x' } })).status).to.equal(403);
  });

  it('unregisters', async () => {
    const b = await register(url);
    expect((await ask('DELETE', `/devices/${b.uuid}`)).body).to.deep.equal({ uuid: b.uuid });
    expect((await ask('DELETE', `/devices/${b.uuid}`)).status).to.equal(403);
  });

  it('acts for another device by X-Meshblu-As', async () => {
    const x = await register(url, v2({ 'configure.as': [a.uuid] }));
    const t = await register(url, v2({ 'configure.update': [x.uuid] }));
    const headers = { 'x-meshblu-as': x.uuid };
    expect((await ask('PATCH', `/v2/devices/${t.uuid}`, { body: { x: 1 }, headers })).status).to.equal(204);
    expect((await ask('PATCH', `/v2/devices/${x.uuid}`, { body: { x: 1 }, headers })).status).to.equal(403);
  });

  it('takes effect once with an Idempotency-Key, and only on the expected revision with If-Match', async () => {
    const b = await register(url, { count: 0 });
    const headers = { 'idempotency-key': 'abcdefghijklmnopqrstuv:7' };
    for (let sending = 0; sending < 3; sending += 1) {
      const { body } = await ask('PUT', `/v2/devices/${b.uuid}/find-and-update`, { body: { $inc: { count: 1 } }, headers });
      expect(body).to.include({ count: 1 });
    }
    const { body } = await ask('GET', `/v3/devices/${b.uuid}`);
    const { rev } = (body as { meshblu: { rev: number } }).meshblu;
    const change = (expected: number) =>
      ask('PATCH', `/v2/devices/${b.uuid}`, { body: { y: expected }, headers: { 'if-match': `"${expected}"` } });
    expect((await change(rev)).status).to.equal(204);
    expect((await change(rev)).status).to.equal(409);
  });

  it('names the status of an answer in headers too', async () => {
    const { headers } = await ask('GET', '/v2/whoami');
    expect(headers.get('x-meshblu-code')).to.equal('200');
    expect(headers.get('x-meshblu-status')).to.equal('OK');
    const refused = await ask('GET', '/v3/devices/nobody');
    expect(refused.headers.get('x-meshblu-code')).to.equal('403');
  });

  it('says how it is', async () => {
    for (const path of ['/status', '/healthcheck', '/ping', '/proofoflife']) {
      expect(await (await fetch(url + path)).json(), path).to.deep.equal({ online: true });
    }
    expect((await fetch(`${url}/healthz`)).status).to.equal(200);
    expect((await fetch(`${url}/readyz`)).status).to.equal(200);
    expect(await (await fetch(`${url}/metrics`)).text()).to.include('rollcall_calls_total');
    expect(await (await fetch(`${url}/openapi.json`)).json()).to.include({ openapi: '3.1.0' });
    expect(await (await fetch(`${url}/asyncapi.json`)).json()).to.include({ asyncapi: '3.0.0' });
  });

  it('survives bodies that are no JSON, too deep, too long, or of another type', async () => {
    const post = async (body: string, type = 'application/json') =>
      (await fetch(`${url}/devices`, { method: 'POST', headers: { 'content-type': type }, body })).status;
    expect(await post('{')).to.equal(422);
    expect(await post('['.repeat(10_000) + ']'.repeat(10_000))).to.equal(422);
    expect(await post('{"a":1e400}')).to.equal(422);
    expect(await post('{"__proto__":{"x":1}}')).to.equal(422);
    expect(await post('<a/>', 'text/xml')).to.equal(422);
    expect(await post(`{"a":"${'x'.repeat(200_000)}"}`)).to.equal(413);
    expect((await fetch(`${url}/no/such/place`)).status).to.equal(404);
    expect((await fetch(`${url}/healthz`)).status).to.equal(200);
  });
});
