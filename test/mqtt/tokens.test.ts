import type { Registry } from '@rollcall/server';
import type { Store } from '@rollcall/server/internal/data/store';
import { expect } from 'chai';
import { connectRaw } from '../support/meshblu.ts';
import { onBothStores } from '../support/registries.ts';
import { until } from '../support/until.ts';
import { ask, basic, type Reply } from './support/http.ts';

const adminPassword = 'admin-of-the-tests';
const admin = basic('admin', adminPassword);
const ops = basic('ops', 'opspass1');
const groupName = 'DM.MFORM.SURYA';

type Body = Record<string, unknown>;
interface Made {
  readonly msg: string;
  readonly code: number;
  readonly tokenResponse: {
    readonly token: string;
    readonly secret: string;
    readonly username: string;
    readonly description?: string;
  };
}

const failed = (msg: string, status = 400) => ({ status, body: { msg, code: status * 10 } });

onBothStores('MQTT tokens (MT-9)', (registries) => {
  let registry: Registry;
  let url = '';
  let group = '';
  let count = 0;
  const secrets: string[] = [];

  const put = (body: unknown, authorization: string | null = ops, type?: string): Promise<Reply> =>
    ask(`${url}/m2m/token/mqtt`, 'PUT', {
      body,
      ...(authorization !== null && { authorization }),
      ...(type !== undefined && { type }),
    });
  const wanted = (body: Body = {}): Body => ({ groupName, username: `device${(count += 1)}`, ...body });
  const make = async (body: Body = {}): Promise<Made> => {
    const { status, body: answer } = await put(wanted(body));
    expect(status, JSON.stringify(answer)).to.equal(202);
    const made = answer as Made;
    secrets.push(made.tokenResponse.secret);
    return made;
  };
  const outcome = async (body: unknown, authorization?: string | null, type?: string) => {
    const { status, body: answer } = await put(body, authorization, type);
    return { status, body: answer };
  };
  const listed = async (token?: string) => {
    const query = new URLSearchParams({ groupName, ...(token !== undefined && { token }) });
    return (await ask(`${url}/m2m/token?${String(query)}`, 'GET', { authorization: ops })).body as {
      tokenResponses: Body[];
      code: number;
      msg: string;
    };
  };
  const asOps = async () => {
    const raw = await connectRaw(url);
    const { body } = await ask(`${url}/api/login`, 'POST', { body: { username: 'ops', password: 'opspass1' } });
    raw.socket.emit('identity', { token: (body as { token: string }).token, auto_set_online: false });
    await until(() => raw.got('ready').length > 0);
    return raw;
  };
  const detailsOf = async (token: string): Promise<Body> => {
    const raw = await asOps();
    try {
      const { tokens } = await raw.ask<{ tokens: Body[] }>('mqttTokens:list', { groupName, token }, {});
      expect(tokens).to.have.length(1);
      return tokens[0] ?? {};
    } finally {
      raw.close();
    }
  };

  before(async () => {
    registry = await registries.start({ adminPassword });
    ({ url } = registry);
    const api = (path: string, body: unknown) => ask(`${url}${path}`, 'POST', { body, authorization: admin });
    const allowed = { initialPermissions: [{ resource: '/m2m/token/mqtt', operation: 'write', context: 'http' }] };
    const ids: string[] = [];
    for (const [username, password] of [
      ['ops', 'opspass1'],
      ['eve', 'evepass1'],
      ['bob', 'bobpass1'],
    ])
      ids.push(((await api('/api/users', { username, password, ...allowed })).body as { id: string }).id);
    const [opsId, eveId] = ids.map((uuid) => ({ uuid }));
    const whitelists = { discover: { view: [opsId, eveId] }, configure: { update: [opsId] } };
    const made = await api('/devices', { type: 'group', name: groupName, meshblu: { version: '2.0.0', whitelists } });
    group = (made.body as { uuid: string }).uuid;
  });

  it('1: makes a secret for a name, which is stored in capitals', async () => {
    const made = await make({ username: 'test12345', description: 'testtoken' });
    expect(made).to.have.all.keys('msg', 'tokenResponse', 'code');
    expect(Object.keys(made)).to.deep.equal(['msg', 'tokenResponse', 'code']);
    expect(made).to.include({ msg: 'Success', code: 1000 });
    const { token, secret, username, description } = made.tokenResponse;
    expect({ username, description }).to.deep.equal({ username: 'TEST12345', description: 'testtoken' });
    expect(secret).to.match(/^[A-Za-z0-9+/]{43}=$/);
    expect(token).to.match(/^[0-9a-z]{12,13}$/);
    expect(await detailsOf(token)).to.include({ authType: 'S', username: 'TEST12345' });
  });

  it('2: keeps the secret that was chosen as it is', async () => {
    const { tokenResponse } = await make({ username: 'testP', secret: 'TESTP' });
    expect(tokenResponse).to.include({ username: 'TESTP', secret: 'TESTP' });
    expect(await detailsOf(tokenResponse.token)).to.include({ authType: 'U' });
  });

  it('3, 13: without a secret, or with null, it is made', async () => {
    for (const body of [{ username: 'US5591USRS91' }, { secret: null }]) {
      const { tokenResponse } = await make(body);
      expect(tokenResponse.secret).to.match(/^[A-Za-z0-9+/]{43}=$/);
      expect(await detailsOf(tokenResponse.token)).to.include({ authType: 'S' });
    }
  });

  it('4, 5, 6: for a serial number, or for none, name and secret are made, whatever secret was sent', async () => {
    const serialNumber = '86a39134-e151-4490-aff1-3d7e994151d1';
    const { tokenResponse } = await make({ username: `#SN#${serialNumber}`, secret: 'abc' });
    expect(tokenResponse.username).to.match(/^SN[0-9A-Z]{16}$/);
    expect(tokenResponse.secret).to.match(/^[A-Za-z0-9+/]{43}=$/);
    expect(await detailsOf(tokenResponse.token)).to.include({ authType: 'SN', serialNumber });
    const bare = (await make({ username: '#SN#' })).tokenResponse;
    expect(await detailsOf(bare.token))
      .to.include({ authType: 'SN' })
      .and.not.have.any.keys('serialNumber');
  });

  it('a group has one token for a serial number, in whatever case', async () => {
    await make({ username: '#SN#Serial-1' });
    expect((await put(wanted({ username: '#SN#sERIAL-1' }))).status).to.equal(409);
  });

  it('7, 31: a name holds nothing that means something in a topic', async () => {
    const refused = failed(`'username' contains characters that are not allowed`);
    for (const username of ['#sn#1', 'a/b', 'a+b', 'a b', 'a#', 'a\u0000b', 'straße', '#SN#a/b', '#SN#+', '#SN# '])
      expect(await outcome(wanted({ username })), username).to.deep.equal(refused);
    expect((await put(wanted({ username: '86a39134-e151-4490-aff1-3d7e994151d1' }))).status).to.equal(400);
  });

  it('8, 9, 10, 11, 12: a chosen secret has 5 to 50 characters, counted in code points', async () => {
    const secret = (text: string) => outcome(wanted({ secret: text }));
    const tooShort = failed(`'password' can not be less than 5 chars`);
    for (const text of ['', 'four', '\u{1F511}\u{1F511}\u{1F511}\u{1F511}']) expect(await secret(text)).to.deep.equal(tooShort);
    expect(await secret('x'.repeat(51))).to.deep.equal(failed(`'password' can not be more than 50 chars`));
    for (const text of ['fives', 'x'.repeat(50), '\u{1F511}'.repeat(50)]) {
      const { tokenResponse } = await make({ secret: text });
      expect(tokenResponse.secret).to.equal(text);
    }
  });

  it('the secret may be called password, and counts if both are sent', async () => {
    expect((await make({ password: 'by-alias' })).tokenResponse.secret).to.equal('by-alias');
    expect((await make({ password: 'by-alias', secret: 'by-name' })).tokenResponse.secret).to.equal('by-name');
    expect(await outcome(wanted({ password: 'four' }))).to.deep.equal(failed(`'password' can not be less than 5 chars`));
  });

  it('14, 15, 16: a name has at most 50 characters, which is looked at before the secret', async () => {
    await make({ username: 'n'.repeat(50) });
    const tooLong = failed(`'username' can not be more than 50 chars`);
    expect(await outcome(wanted({ username: 'n'.repeat(51) }))).to.deep.equal(tooLong);
    expect(await outcome(wanted({ username: 'n'.repeat(51), secret: 'four' }))).to.deep.equal(tooLong);
    expect(await outcome(wanted({ username: `#SN#${'n'.repeat(47)}` }))).to.deep.equal(tooLong);
    expect(await outcome({ username: 'n'.repeat(51) })).to.deep.equal(tooLong);
    expect(await outcome({ username: 'alpha', secret: 'four' })).to.deep.equal(failed(`'password' can not be less than 5 chars`));
  });

  it('17, 18, 19: says what is missing and what is no text', async () => {
    expect(await outcome({ groupName })).to.deep.equal(failed(`'username' is required`));
    expect(await outcome({ groupName, username: ' ' })).to.deep.equal(failed(`'username' is required`));
    expect(await outcome({ username: 'alpha' })).to.deep.equal(failed(`'groupName' is required`));
    for (const name of ['username', 'groupName', 'secret', 'description'])
      expect(await outcome(wanted({ [name]: 123 })), name).to.deep.equal(failed(`'${name}' must be a string`));
  });

  it('20, 21: the body is a JSON object, and a broken one tells nothing of us', async () => {
    for (const body of ['[]', '"x"', '{"username":', '{"__proto__":{}}', 'null']) {
      const { status, body: answer } = await put(body);
      expect({ status, keys: Object.keys(answer as object) }, body).to.deep.equal({ status: 400, keys: ['msg', 'code'] });
      expect(JSON.stringify(answer)).not.to.match(/\bat |node_modules|\.ts/);
    }
  });

  it('22, 23: nobody gets further without a name and its password', async () => {
    const missing = await put(wanted(), null);
    expect(missing).to.deep.include({ status: 401, body: { msg: 'Unauthorized', code: 4010 } });
    expect(missing.headers.get('www-authenticate')).to.include('Basic realm="registry"');
    const wrong = await put(wanted(), basic('ops', 'wrong-password'));
    expect(wrong).to.deep.include({ status: 401, body: missing.body });
    expect((await put('{', null)).status).to.equal(401);
  });

  it('24, 25, 26: whoever sees the group is forbidden, for others there is none', async () => {
    expect(await outcome(wanted(), basic('eve', 'evepass1'))).to.deep.equal(failed('Forbidden', 403));
    const unknown = await outcome(wanted({ groupName: 'NO.SUCH' }));
    expect(unknown.status).to.equal(404);
    expect(unknown.body).to.include({ code: 4040 });
    expect(await outcome(wanted(), basic('bob', 'bobpass1'))).to.deep.equal(unknown);
  });

  it('a role for the path of the group is as good as its list, and its owner needs neither', async () => {
    const user = async (username: string, ...resources: string[]) => {
      const initialPermissions = resources.map((resource) => ({ resource, operation: 'write', context: 'http' }));
      const body = { username, password: 'secret1', initialPermissions };
      return (await ask(`${url}/api/users`, 'POST', { body, authorization: admin })).body as { id: string };
    };
    await user('byrole', '/m2m/token/mqtt', `/groups/${groupName}`);
    expect((await put(wanted(), basic('byrole', 'secret1'))).status).to.equal(202);
    await user('without', `/groups/${groupName}`);
    expect((await put(wanted(), basic('without', 'secret1'))).status).to.equal(403);
    const { id } = await user('owner1', '/m2m/token/mqtt');
    const body = { type: 'group', name: 'OWNED', owner: id, meshblu: { version: '2.0.0' } };
    await ask(`${url}/devices`, 'POST', { body, authorization: admin });
    expect((await put(wanted({ groupName: 'OWNED' }), basic('owner1', 'secret1'))).status).to.equal(202);
    expect((await put(wanted({ groupName: 'OWNED' }))).status).to.equal(404);
  });

  it('27, 28, 29: a name is given once, in whatever case, over users too', async () => {
    const taken = failed(`'username' is already in use`, 409);
    for (const username of ['test12345', 'TEST12345', 'Ops', 'admin'])
      expect(await outcome(wanted({ username }))).to.deep.equal(taken);
    const body = { username: 'Test12345', password: 'secret1' };
    expect((await ask(`${url}/api/users`, 'POST', { body, authorization: admin })).status).to.equal(409);
  });

  it('30: of two who want the same name at once one gets it', async () => {
    const body = wanted();
    const both = await Promise.all([put(body), put(body)]);
    expect(both.map(({ status }) => status)).to.have.members([202, 409]);
    const named = (await listed()).tokenResponses.filter(({ username }) => username === String(body['username']).toUpperCase());
    expect(named).to.have.length(1);
  });

  it('32, 33: tells what was sent and no more, and ignores what it does not know', async () => {
    const { tokenResponse } = await make({ role: 'admin', roles: ['admin'], uuid: 'x' });
    expect(tokenResponse).to.have.all.keys('token', 'secret', 'username');
  });

  it('34: takes what is missing from the query, but never a secret', async () => {
    const query = new URLSearchParams({ groupName, username: 'from-query', secret: 'in-the-url', description: 'd' });
    const { status, body } = await ask(`${url}/m2m/token/mqtt?${String(query)}`, 'PUT', { authorization: ops });
    expect(status).to.equal(202);
    const { secret, username, description } = (body as Made).tokenResponse;
    expect({ username, description }).to.deep.equal({ username: 'FROM-QUERY', description: 'd' });
    expect(secret).to.match(/^[A-Za-z0-9+/]{43}=$/);
  });

  it('35: names the method of a path that a request does not use, before all else', async () => {
    for (const [path, method, allow] of [
      ['/m2m/token/mqtt', 'POST', 'PUT'],
      ['/m2m/token/mqtt', 'GET', 'PUT'],
      ['/m2m/token', 'POST', 'GET, DELETE'],
    ] as const) {
      const reply = await ask(`${url}${path}`, method, method === 'GET' ? {} : { body: '{' });
      expect(reply).to.deep.include({ status: 405, body: { msg: 'Method Not Allowed', code: 4050 } });
      expect(reply.headers.get('allow')).to.equal(allow);
    }
  });

  it('takes no body of another type, whoever sends it', async () => {
    for (const authorization of [ops, null]) {
      const { status, body } = await put('username=a', authorization, 'application/x-www-form-urlencoded');
      expect({ status, code: (body as Body)['code'] }).to.deep.equal({ status: 415, code: 4150 });
    }
  });

  it('lists tokens without secrets and ends them, one or all', async () => {
    const { token, username } = (await make({ description: 'kept' })).tokenResponse;
    const one = await listed(token);
    expect(one).to.deep.equal({ msg: 'Success', tokenResponses: [{ token, username, description: 'kept' }], code: 1000 });
    const query = new URLSearchParams({ groupName, token });
    const end = () => ask(`${url}/m2m/token?${String(query)}`, 'DELETE', { authorization: ops });
    expect(await end()).to.deep.include({ status: 202, body: { msg: 'Success', code: 1000 } });
    expect((await end()).status).to.equal(204);
    expect((await listed(token)).tokenResponses).to.deep.equal([]);
    expect((await put(wanted({ username }))).status, 'the name is free').to.equal(202);
    const asked = (authorization: string) => ask(`${url}/m2m/token?groupName=${groupName}`, 'DELETE', { authorization });
    expect((await asked(basic('eve', 'evepass1'))).status).to.equal(403);
    expect((await asked(basic('bob', 'bobpass1'))).status).to.equal(404);
  });

  it('44: the event answers with the same sentence and status, and our code', async () => {
    const raw = await asOps();
    try {
      const refused = await raw.ask('mqttTokens:create', { groupName, username: 'alpha', secret: 'four' }, {});
      expect(refused).to.include({ error: `'password' can not be less than 5 chars`, status: 400, code: 'invalid-input' });
      expect(refused).to.have.all.keys('error', 'status', 'code', 'details');
      const made = await raw.ask('mqttTokens:create', { groupName, username: 'by-event', secret: 'socket-secret' }, {});
      expect(made).to.include({ authType: 'U', username: 'BY-EVENT', secret: 'socket-secret', groupName });
      expect(made).to.have.all.keys('uuid', 'authType', 'token', 'username', 'secret', 'groupName', 'createdAt');
      secrets.push('socket-secret');
      expect(await raw.ask('mqttTokens:create', { groupName, username: 5 }, {})).to.include({
        error: `'username' must be a string`,
        status: 400,
      });
      expect(await raw.ask('mqttTokens:create', { groupName, username: 'by-event' }, {})).to.include({
        status: 409,
        code: 'conflict',
      });
      expect(await raw.ask('mqttTokens:list', { groupName: 'NO.SUCH' }, {})).to.include({ status: 404, code: 'not-found' });
      expect(await raw.ask('mqttTokens:revoke', { groupName, token: made['token'] }, {})).to.deep.equal({ revoked: 1 });
      expect(await raw.ask('mqttTokens:revoke', { groupName, token: made['token'] }, {})).to.deep.equal({ revoked: 0 });
    } finally {
      raw.close();
    }
  });

  it('a repeated request makes one token, and its last answer holds the secret that counts', async () => {
    const raw = await asOps();
    try {
      const reqId = `${'0'.repeat(32)}:1`;
      const input = { groupName, username: 'repeated' };
      const first = await raw.ask('mqttTokens:create', input, { reqId });
      const again = await raw.ask('mqttTokens:create', input, { reqId, again: 1 });
      expect(again).to.include({ uuid: first['uuid'], token: first['token'] });
      expect(again['secret']).to.be.a('string').and.not.equal(first['secret']);
      expect(await raw.ask('mqttTokens:create', input, { reqId })).to.include({ code: 'outcome-unknown' });
    } finally {
      raw.close();
    }
  });

  it('a group that has tokens stays, unless they go with it', async () => {
    const whitelists = { configure: { update: [{ uuid: '*' }] }, discover: { view: [{ uuid: '*' }] } };
    const body = { type: 'group', name: 'SHORT.LIVED', meshblu: { version: '2.0.0', whitelists } };
    const { uuid } = (await ask(`${url}/devices`, 'POST', { body, authorization: admin })).body as { uuid: string };
    const { tokenResponse } = await make({ groupName: 'SHORT.LIVED' });
    const remove = (query = '') => ask(`${url}/devices/${uuid}${query}`, 'DELETE', { authorization: admin });
    expect((await remove()).status).to.equal(409);
    expect((await remove('?cascade=true')).status).to.equal(200);
    expect((await put(wanted({ username: tokenResponse.username }))).status).to.equal(202);
  });

  it("a token's device is in the group, and nobody becomes it by a list", async () => {
    const { token } = (await make()).tokenResponse;
    const { uuid } = await detailsOf(token);
    const device = (await ask(`${url}/v2/devices/${String(uuid)}`, 'GET', { authorization: admin })).body as Body;
    expect(device).to.include({ type: 'mqtt-token', owner: group });
    expect(JSON.stringify(device)).not.to.match(/secret|loginName|authType|_rollcall/i);
    expect((await ask(`${url}/devices/${String(uuid)}/tokens`, 'POST', { authorization: ops })).status).to.equal(403);
  });

  it('45: the store holds no secret in clear', async () => {
    const dump = async (store: Store): Promise<string> => {
      const texts: string[] = [];
      for (const name of ['principals', 'credentials', 'devices', 'tokens', 'registry', 'keys'] as const)
        texts.push(JSON.stringify(await store.collection(name).find({}).toArray()));
      return texts.join('\n');
    };
    await registry.close();
    const text = await registries.inspect(dump);
    expect(text).to.include('TEST12345');
    for (const secret of secrets.filter((one) => one.length > 5)) expect(text).not.to.include(secret);
    expect(text).not.to.include('"TESTP"}').and.not.to.include('in-the-url');
  });
});
