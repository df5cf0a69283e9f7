import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Registry } from '@rollcall/server';
import { jobTopics } from '@rollcall/server/internal/domain/topic-rights';
import { operations } from '@rollcall/server/internal/operations/operation-table';
import { expect } from 'chai';
import { closeClients, connectMqtt } from '../mqtt/support/client.ts';
import { connectAs, register, type Made } from '../support/meshblu.ts';
import { onBothStores } from '../support/registries.ts';
import { until } from '../support/until.ts';
import { authenticatorOf, earlyInStep } from './support/authenticator.ts';
import { overHttp, overSockets, type Surface } from './support/surfaces.ts';

const adminPassword = 'Admin-of-the-tests-1';

/** The names of all properties in a JSON schema. */
const namesIn = (schema: unknown): readonly string[] => {
  if (typeof schema !== 'object' || schema === null) return [];
  if (Array.isArray(schema)) return schema.flatMap(namesIn);
  const { properties, items, anyOf, allOf } = schema as Readonly<Record<string, unknown>>;
  const own = typeof properties === 'object' && properties !== null ? Object.entries(properties) : [];
  return [...own.flatMap(([name, inner]) => [name, ...namesIn(inner)]), ...[items, anyOf, allOf].flatMap(namesIn)];
};

const handsOut = /^(token|refreshToken|secret|key|backupCodes|uri|certificate)$/;
const setsUp = /^(password|newPassword|fingerprint|csr|pem|secret|key|grantTypes|otp)$/;
/** Operations whose schemas have such a name, though no credential comes of them. */
const harmless = new Set(['mfa:disable', 'auth:revoke', 'permissions:explain', 'users:listTokens', 'mqttTokens:list']);

const grants = [...operations.values()].filter(({ row }) => row.credential === 'grants').map(({ name }) => name);

/** An input of each operation that grants credentials, aimed at the administrator. */
const inputs: Readonly<Record<string, (target: string) => Record<string, unknown>>> = {
  generateAndStoreToken: (uuid) => ({ uuid }),
  resetToken: (uuid) => ({ uuid }),
  register: () => ({ type: 'group', name: 'TAKEN' }),
  'mqttTokens:create': () => ({ groupName: 'PLANT.A', authType: 'U', username: 'stolen', secret: 'Secret-of-1' }),
  'mqttClients:update': () => ({ id: '0123456789abcdef01234567', key: 'Key-of-the-tests-1' }),
  'users:create': () => ({ username: 'made', password: 'secret1', roles: [] }),
  'users:createBatch': () => ({ users: [{ username: 'made', password: 'secret1' }] }),
  'users:update': (id) => ({ id, password: 'secret2' }),
  'users:addCertificate': (id) => ({ id, fingerprint: 'ab'.repeat(32) }),
  'users:removeCertificate': (id) => ({ id, fingerprint: 'ab'.repeat(32) }),
  'clientRegistry:confirm': () => ({ username: 'admin' }),
  'certificates:add': () => ({ pem: 'x' }),
  'maintenance:archive': () => ({}),
  'maintenance:restore': () => ({ id: 'x' }),
  'mqttClients:create': () => ({ name: 'x', clientId: 'x-1', key: 'Key-of-the-tests-1' }),
};

onBothStores('who may make, hand out, forward or set up a credential (S2, S3)', (registries) => {
  let registry: Registry;
  let surfaces: readonly Surface[] = [];
  let receiver: Server;
  let received: (string | undefined)[] = [];
  let admin: { readonly id: string; readonly token: string };
  let count = 0;

  const call = (event: string, input: Record<string, unknown> = {}, token: string | undefined = admin.token) =>
    (surfaces[0] as Surface).call(token, event, input);
  const login = async (username: string, password = 'secret1', more = {}) =>
    String((await call('session:login', { username, password, ...more }, undefined)).body['token']);
  const person = async (more: object = {}) => {
    const username = `mia${(count += 1)}`;
    const made = await call('users:create', { username, password: 'secret1', ...more });
    expect(made.outcome).to.equal('ok');
    return { username, id: String(made.body['id']), token: await login(username) };
  };
  const operator = () => person({ initialPermissions: [{ resource: '/devices/#', operation: 'write', context: 'http' }] });
  const hook = () => ({
    type: 'webhook',
    url: `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`,
    method: 'POST',
    generateAndForwardMeshbluCredentials: true,
  });
  /** Every way in which a document asks for a webhook with credentials. */
  const hookChanges = (): readonly Record<string, unknown>[] => [
    { 'meshblu.forwarders.configure.sent': [hook()] },
    { 'meshblu.forwarders.message.received': [hook()] },
    { 'meshblu.forwarders.broadcast.sent': [hook()] },
    { 'meshblu.forwarders.received': [hook()] },
    { 'meshblu.configHooks': [hook()] },
    { 'meshblu.messageHooks': [hook()] },
  ];

  before(async () => {
    registry = await registries.start({ adminPassword, mqttPort: 0, privateWebhooks: true, mqttClientsUnauthorized: 'status' });
    surfaces = [overHttp(registry.url), overSockets(registry.url)];
    const { body } = await (surfaces[0] as Surface).call(undefined, 'session:login', {
      username: 'admin',
      password: adminPassword,
    });
    admin = { id: '', token: String(body['token']) };
    admin = { ...admin, id: String((await call('whoami')).body['uuid']) };
    receiver = createServer((request, response) => {
      received.push(request.headers.authorization);
      request.resume();
      response.end();
    });
    await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  });
  afterEach(() => {
    closeClients();
    received = [];
  });
  after(() => {
    for (const surface of surfaces) surface.close();
    receiver.close();
  });

  it('says in its row that it concerns credentials, for every operation whose schemas show it (S2)', () => {
    const silent = [...operations.values()]
      .filter(({ name, row }) => {
        const shows = namesIn(row.output).some((one) => handsOut.test(one));
        const takes = row.mutates && namesIn(row.input).some((one) => setsUp.test(one));
        return (shows || takes) && row.credential === undefined && !harmless.has(name);
      })
      .map(({ name }) => name);
    expect(silent).to.deep.equal([]);
    expect(Object.keys(inputs).toSorted()).to.deep.equal(grants.toSorted());
  });

  it('gives an operator nothing of an administrator, by no operation (S2)', async () => {
    const { token } = await operator();
    for (const surface of surfaces)
      for (const event of grants) {
        if (event === 'mqttClients:create') continue;
        const { outcome } = await surface.call(token, event, inputs[event]?.(admin.id));
        expect(outcome, `${event} over ${surface.name}`).to.be.oneOf(['forbidden', 'not-found']);
      }
  });

  it('gives a device of the whitelist nothing of a user (S2)', async () => {
    const { id } = await person();
    const device = await register(registry.url);
    await call('update', { uuid: id, 'meshblu.whitelists.configure.update': [{ uuid: device.uuid }] });
    const socket = await connectAs(registry.url, device);
    try {
      for (const event of ['generateAndStoreToken', 'resetToken'])
        expect(await socket.ask(event, { uuid: id }), event).to.have.property('error');
      for (const change of hookChanges()) {
        const answer = await socket.ask('update', { uuid: id, ...change });
        expect(JSON.stringify(answer), JSON.stringify(change)).to.include('Forbidden');
      }
      expect(await socket.ask('update', { uuid: id, color: 'red' })).to.not.have.property('error');
    } finally {
      socket.close();
    }
  });

  it('lets only callers who may make tokens of a user set a webhook with its credentials (S2)', async () => {
    const { token } = await operator();
    const { id, token: own } = await person();
    for (const surface of surfaces)
      for (const change of hookChanges()) {
        expect((await surface.call(token, 'update', { uuid: admin.id, ...change })).outcome).to.equal('forbidden');
        expect((await surface.call(token, 'update', { uuid: id, ...change })).outcome).to.equal('forbidden');
      }
    const plain = { ...hook(), generateAndForwardMeshbluCredentials: false };
    expect((await call('update', { uuid: id, 'meshblu.forwarders.configure.sent': [plain] }, token)).outcome).to.equal('ok');
    expect((await call('update', { uuid: id, 'meshblu.forwarders.configure.sent': [hook()] }, own)).outcome).to.equal('ok');
    await until(() => received.some((authorization) => authorization?.startsWith('Bearer ')));
    const bearer = received.find((authorization) => authorization !== undefined) ?? '';
    expect(Buffer.from(bearer.slice(7), 'base64').toString()).to.match(new RegExp(`^${id}:`));
    // Others may go on changing the document, but not where the credentials go.
    expect((await call('update', { uuid: id, color: 'blue' }, token)).outcome).to.equal('ok');
    const elsewhere = { ...hook(), url: 'http://127.0.0.1:9/' };
    const moved = await call('update', { uuid: id, 'meshblu.forwarders.configure.sent': [elsewhere] }, token);
    expect(moved.outcome).to.equal('forbidden');
    await call('update', { uuid: id, 'meshblu.forwarders.configure.sent': [] }, own);
  });

  it('forwards no credentials of a user who is disabled (S2)', async () => {
    const { id, token } = await person();
    await call('update', { uuid: id, 'meshblu.forwarders.configure.sent': [hook()] }, token);
    await until(() => received.length > 0);
    await call('users:update', { id, disabled: true });
    received = [];
    await call('update', { uuid: id, color: 'blue' });
    await until(async () =>
      JSON.stringify((await call('webhooks:failures', { uuid: id })).body).includes('may not be forwarded'),
    );
    expect(received).to.deep.equal([]);
  });

  it('gives a user who has still to enroll, or who is disabled, nothing by any operation (S3)', async () => {
    const held = await person({ enforceMFAEnrollment: true });
    const disabled = await person();
    await call('users:update', { id: disabled.id, disabled: true });
    const gone = await person();
    const expiring = await login(gone.username, 'secret1', { expireTimeInHours: 1 / 3600 });
    await until(async () => (await call('whoami', {}, expiring)).outcome === 'unauthenticated');
    for (const surface of surfaces)
      for (const [who, { id, token }] of Object.entries({ held, disabled, expired: { id: gone.id, token: expiring } }))
        for (const event of grants) {
          const { outcome } = await surface.call(token, event, inputs[event]?.(id));
          const refusals = ['forbidden', 'unauthenticated', 'mfa-enrollment-required', 'not-found'];
          expect(outcome, `${event} by ${who} over ${surface.name}`).to.be.oneOf(refusals);
        }
  });

  /** Asks on the job topics as a user who shows name and password. */
  const overMqtt = async ({ username, id }: { readonly username: string; readonly id: string }) => {
    const client = await connectMqtt(registry.mqtt[0] ?? '', { username, password: 'secret1', clientId: `c-${username}` });
    await client.subscribe(id);
    let asked = 0;
    return async (topic: string, input: Record<string, unknown>): Promise<{ topic: string; data: Record<string, unknown> }> => {
      const callbackId = `${topic}-${(asked += 1)}`;
      await client.publish(topic, JSON.stringify({ ...input, callbackId }));
      const answer = () => client.texts(id).find((text) => text.includes(`"callbackId":"${callbackId}"`));
      await until(() => answer() !== undefined);
      return JSON.parse(answer() ?? '') as { topic: string; data: Record<string, unknown> };
    };
  };

  const refusesAll = async (user: { readonly username: string; readonly id: string }, thing: Made): Promise<void> => {
    const ask = await overMqtt(user);
    for (const uuid of [user.id, thing.uuid]) {
      for (const topic of jobTopics.filter((one) => operations.get(one)?.row.credential === 'grants'))
        expect((await ask(topic, { uuid })).topic, `${topic} of ${uuid}`).to.equal('error');
      const lists = { configure: { update: [{ uuid: thing.uuid }] }, discover: { view: [{ uuid: thing.uuid }] } };
      const changes: readonly Record<string, unknown>[] = [
        ...hookChanges(),
        { 'meshblu.whitelists': lists },
        { 'meshblu.version': '1.0.0' },
        { meshblu: { version: '2.0.0', whitelists: lists } },
        { configureWhitelist: [thing.uuid] },
        { discoverWhitelist: ['*'] },
        { owner: thing.uuid },
        { publicKey: 'x' },
      ];
      for (const change of changes)
        expect((await ask('update', { uuid, ...change })).topic, JSON.stringify(change)).to.equal('error');
      expect((await ask('update', { uuid, color: 'red' })).topic).to.equal('update');
    }
    expect((await ask('whoami', {})).data).to.include({ uuid: user.id, color: 'red' });
    expect((await ask('message', { devices: [user.id], payload: 1 })).topic).to.equal('message');
  };

  it('gives a user with MFA who came by password alone over MQTT nothing, and changes nothing that would (S3)', async () => {
    const user = await person();
    const thing = await register(registry.url, { owner: user.id });
    await earlyInStep();
    const { body } = await call('mfa:enable', {}, user.token);
    const device = authenticatorOf(String(body['uri']));
    expect((await call('mfa:validate', { otp: device.code(-1) }, user.token)).outcome).to.equal('ok');
    await refusesAll(user, thing);
  });

  it('gives a user who is held to enroll nothing over MQTT (S3)', async () => {
    const user = await person();
    const thing = await register(registry.url, { owner: user.id });
    await call('users:update', { id: user.id, enforceMFAEnrollment: true });
    await refusesAll(user, thing);
  });

  it('lets a user without a second factor make a token over MQTT by name and password (S3)', async () => {
    const user = await person();
    const ask = await overMqtt(user);
    expect((await ask('generateAndStoreToken', {})).data['token']).to.be.a('string');
  });

  it('lets only calls without lasting effect on access be made by password alone (S3)', () => {
    const all = [...operations.values()].filter(({ row }) => row.passwordAlone === true).map(({ name }) => name);
    expect(all.toSorted()).to.deep.equal(['data', 'documents:update', 'message', 'messageAck', 'update']);
  });
});
