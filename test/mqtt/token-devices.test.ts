import { expect } from 'chai';
import { connectRaw, type MeshbluSocket } from '../support/meshblu.ts';
import { onBothStores } from '../support/registries.ts';
import { until } from '../support/until.ts';
import { closeClients, connectMqtt, refusalOf, type TestClient } from './support/client.ts';
import { adminPassword, openStage, type Stage } from './support/ground.ts';
import { ask, basic } from './support/http.ts';

const groupName = 'DM.MFORM.SURYA';
const serial = '8800002400000';

interface Token {
  readonly uuid: string;
  readonly token: string;
  readonly secret: string;
  readonly username: string;
}

onBothStores('devices with MQTT tokens (MQTT token reference, vectors 36 to 43)', (registries) => {
  let url = '';
  let broker = '';
  let stage: Stage;
  let opsId = '';
  let groupUuid = '';
  let token: Token;
  let count = 0;
  const make = async (username = `device${(count += 1)}`): Promise<Token> => {
    const { outcome, body } = await stage.call('mqttTokens:create', { groupName, username });
    expect(outcome, JSON.stringify(body)).to.equal('ok');
    const list = await asOps();
    const { tokens } = await list.ask<{ tokens: Token[] }>('mqttTokens:list', { groupName }, {});
    list.close();
    const made = (body['tokenResponse'] ?? body) as Token;
    return { ...made, uuid: tokens.find((one) => one.token === made.token)?.uuid ?? '' };
  };
  const asOps = async (username = 'ops'): Promise<Omit<MeshbluSocket, 'uuid' | 'token'>> => {
    const raw = await connectRaw(url);
    const { body } = await ask(`${url}/api/login`, 'POST', { body: { username, password: 'secret1' } });
    raw.socket.emit('identity', { token: (body as { token: string }).token, auto_set_online: false });
    await until(() => raw.got('ready').length > 0);
    return raw;
  };
  const as = ({ username, secret }: Token, clientId: string): Promise<TestClient> =>
    connectMqtt(broker, { username, password: secret, clientId });

  before(async () => {
    const registry = await registries.start({ mqttPort: 0, mqttDeniedPublish: 'close', adminPassword });
    url = registry.url;
    broker = registry.mqtt[0] ?? '';
    stage = await openStage(url);
    const permissions = [{ resource: '/m2m/token/mqtt', operation: 'readWrite', context: 'http' }];
    opsId = await stage.user('ops', {}, { initialPermissions: permissions });
    const whitelists = { discover: { view: [{ uuid: opsId }] }, configure: { update: [{ uuid: opsId }] } };
    const authorization = basic('admin', adminPassword);
    const body = { type: 'group', name: groupName, meshblu: { version: '2.0.0', whitelists } };
    const group = (await ask(`${url}/devices`, 'POST', { body, authorization })).body as { uuid: string };
    // A member of the group is whoever its devices' lists name by it.
    await stage.user('member', {}, { group: group.uuid });
    groupUuid = group.uuid;
    token = await make('test12345');
  });
  afterEach(closeClients);

  it('36, 37, 38: name and secret log in, in any case of the name; anything else is refused with 4', async () => {
    const login = { username: token.username, password: token.secret, clientId: serial };
    expect(await refusalOf(broker, login)).to.equal(0);
    expect(await refusalOf(broker, { ...login, username: 'test12345' })).to.equal(0);
    expect(await refusalOf(broker, { ...login, password: 'wrong' })).to.equal(4);
    expect(await refusalOf(broker, { ...login, username: 'nobody' })).to.equal(4);
  });

  it('39: the first message registers the device, and what it publishes then comes as its broadcasts', async () => {
    const client = await as(token, serial);
    await client.publish(
      `${token.token}/${serial}/device`,
      JSON.stringify({ manufacturer: 'Generic', model: 'Sensor', firmwareVersion: 'V213.4' }),
      { qos: 1 },
    );
    const observer = await asOps();
    const find = async () =>
      (await observer.ask<{ devices: Record<string, unknown>[] }>('devices', { serialNumber: serial })).devices[0];
    await until(async () => (await find()) !== undefined);
    const device = await find();
    const member = await asOps('member');
    expect((await member.ask<{ devices: unknown[] }>('devices', { serialNumber: serial })).devices).to.have.length(1);
    member.close();
    expect(device?.['owner']).to.equal(groupUuid);
    expect(device).to.include({ type: 'mqtt-device', manufacturer: 'Generic', model: 'Sensor', firmwareVersion: 'V213.4' });
    await observer.ask('subscribe', { uuid: device?.['uuid'], types: ['broadcast'] });
    const topic = `${token.token}/${serial}/3303/0/5700`;
    await client.publish(topic, '21.5', { qos: 1 });
    // That the device has come on line is a broadcast too, and may come before.
    const broadcast = (): unknown => observer.got('message').find((message) => (message as { topic: string }).topic === topic);
    await until(() => broadcast() !== undefined);
    expect(broadcast()).to.include({ fromUuid: device?.['uuid'], payload: 21.5 });
    await client.publish(`${token.token}/${serial}/device`, JSON.stringify({ manufacturer: 'Other' }), { qos: 1 });
    await until(async () => (await find())?.['manufacturer'] === 'Other');
    expect((await observer.ask<{ devices: unknown[] }>('devices', { serialNumber: serial })).devices).to.have.length(1);
    await client.subscribe(`${token.token}/server/commands/${serial}`, 1);
    await observer.ask('message', { devices: [device?.['uuid']], payload: '/3303/0/5700' });
    await until(() => client.texts(`${token.token}/server/commands/${serial}`).length === 1);
    expect(client.texts(`${token.token}/server/commands/${serial}`)).to.deep.equal(['/3303/0/5700']);
    observer.close();
  });

  it('40, 41: its own tree is all a token has', async () => {
    const other = await make();
    const [client, victim] = [await as(token, 'one'), await as(other, 'other')];
    const commands = `${token.token}/server/commands/${serial}`;
    expect(await client.subscribe([commands, '#', `${other.token}/#`, '+/x'])).to.deep.equal([0, 128, 128, 128]);
    await victim.subscribe(`${other.token}/#`, 1);
    client.mqtt.publish(`${other.token}/x/y`, 'stolen', { qos: 1 });
    await client.closed();
    await victim.publish(`${other.token}/x/y`, 'own', { qos: 1 });
    await until(() => victim.got.length > 0);
    expect(victim.got.map(({ text }) => text)).to.deep.equal(['own']);
  });

  it('42: a token for one serial number speaks for that one alone, in whatever case', async () => {
    const bound = await make('#SN#Serial-A');
    const client = await as(bound, 'bound');
    await client.publish(`${bound.token}/sERIAL-a/device`, '{}', { qos: 1 });
    expect(await client.subscribe([`${bound.token}/server/commands/Serial-A`, `${bound.token}/#`])).to.deep.equal([0, 128]);
    client.mqtt.publish(`${bound.token}/Serial-B/device`, '{}', { qos: 1 });
    await client.closed();
  });

  it('43: revoking a token closes its connection, and it logs nobody in any more', async () => {
    const brief = await make();
    const client = await as(brief, 'brief');
    const { outcome } = await stage.call('mqttTokens:revoke', { groupName, token: brief.token });
    expect(outcome).to.equal('ok');
    await client.closed();
    expect(await refusalOf(broker, { username: brief.username, password: brief.secret, clientId: 'brief' })).to.equal(4);
  });
});
