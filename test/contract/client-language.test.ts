import { expect } from 'chai';
import { connectAs, register, v2, type Made, type MeshbluSocket } from '../support/meshblu.ts';
import { onBothStores } from '../support/registries.ts';
import { until } from '../support/until.ts';

type Properties = Record<string, unknown>;

onBothStores('Updates, queries and values of clients', (registries) => {
  let url = '';
  let own: MeshbluSocket;
  let made: Made;

  before(async () => {
    ({ url } = await registries.start());
    made = await register(url, v2({ 'discover.view': ['*'] }, { type: 'lamp' }));
    own = await connectAs(url, made);
  });
  after(() => own.close());

  const ask = async (method: string, path: string, body?: unknown, as: Made = made) => {
    const response = await fetch(url + path, {
      method,
      headers: {
        authorization: `Basic ${Buffer.from(`${as.uuid}:${as.token}`).toString('base64')}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: (text === '' ? undefined : JSON.parse(text)) as never };
  };
  const document = async (): Promise<Properties> => (await ask('GET', '/v2/whoami')).body;
  const set = (properties: Properties) => ask('PUT', `/v2/devices/${made.uuid}`, { $set: properties });
  const found = async (query: string, as = made): Promise<readonly string[]> =>
    ((await ask('GET', `/v2/devices?${query}`, undefined, as)).body as readonly Made[]).map(({ uuid }) => uuid);

  describe('mistakes in updates', () => {
    const mistakes: readonly Properties[] = [
      { 'n.b': 1 },
      { o: {}, 'o.a': 1 },
      { 'list.$': 1 },
      { 'list.foo': 1 },
      { 'list.1600000': 1 },
      { 'text.length': 1 },
    ];
    beforeEach(() => set({ n: 5, list: [1], text: 'abc' }));

    for (const mistake of mistakes) {
      const name = JSON.stringify(mistake);
      it(`are answered invalid-input with path and rule, and change nothing, over HTTP and Socket.IO: ${name} (W1)`, async () => {
        const before = await document();
        const patched = await ask('PATCH', `/v2/devices/${made.uuid}`, mistake);
        expect(patched.status, JSON.stringify(patched.body)).to.equal(422);
        const put = await ask('PUT', `/v2/devices/${made.uuid}`, { $set: mistake });
        expect(put.status, JSON.stringify(put.body)).to.equal(422);
        const [answer] = (await own.call('update', { uuid: made.uuid, ...mistake }, { reqId: `${'a'.repeat(22)}:1` })) as [
          Properties,
        ];
        expect(answer).to.include({ status: 422, code: 'invalid-input' });
        expect((answer['details'] as readonly object[])[0]).to.include.keys('path', 'rule', 'message');
        expect(await document()).to.deep.equal(before);
      });
    }

    it('names the path that a field cannot be made in (W1)', async () => {
      const [answer] = (await own.call('update', { uuid: made.uuid, 'n.b': 1 }, { reqId: `${'b'.repeat(22)}:1` })) as [
        Properties,
      ];
      expect((answer['details'] as readonly object[])[0]).to.include({ path: '/n.b', rule: 'pathNotViable' });
    });

    for (const update of [
      { $inc: { text: 1 } },
      { $push: { n: 1 } },
      { $bit: { n: { and: 1.5 } } },
      { $push: { list: { $each: 1 } } },
    ]) {
      it(`are answered 422 where an operator does not fit the value: ${JSON.stringify(update)} (W1)`, async () => {
        expect((await ask('PUT', `/v2/devices/${made.uuid}`, update)).status).to.equal(422);
      });
    }
  });

  describe('work', () => {
    it('of an update is refused when it takes too many steps, and others are served meanwhile (S5)', async () => {
      await set({ arr: Array.from({ length: 4_000 }, (_, i) => ({ x: i })) });
      const pull = { $pull: { arr: { $or: Array.from({ length: 60 }, (_, i) => ({ y: i })) } } };
      const [refused, other] = await Promise.all([ask('PUT', `/v2/devices/${made.uuid}`, pull), ask('GET', '/v2/whoami')]);
      expect(refused.status).to.equal(504);
      expect(other.status).to.equal(200);
      await ask('PUT', `/v2/devices/${made.uuid}`, { $unset: { arr: '' } });
    });

    it('of an update that would make many long lists is refused (S5)', async () => {
      const lists = Object.fromEntries(Array.from({ length: 400 }, (_, i) => [`list${i}`, [] as number[]]));
      const padded = Object.fromEntries(Object.keys(lists).map((name) => [`${name}.19999`, 1]));
      const sparse = await register(url, v2({}, lists));
      const answer = await ask('PUT', `/v2/devices/${sparse.uuid}`, { $set: padded }, sparse);
      expect(answer.status).to.equal(504);
    });

    it('of a $pull is refused before it begins when it has more than 64 conditions (S5)', async () => {
      const pull = { $pull: { list: { $or: Array.from({ length: 65 }, (_, i) => ({ a: i })) } } };
      expect((await ask('PUT', `/v2/devices/${made.uuid}`, pull)).status).to.equal(422);
    });
  });

  describe('numbers', () => {
    for (const text of ['9007199254740992', '1796079441000000000', '1e21', '-9007199254740994', '0.1', '1e300', '5e-324']) {
      it(`that JSON gives back exactly come out as they went in: ${text} (W5)`, async () => {
        const answer = await ask('PATCH', `/v2/devices/${made.uuid}`, `{"big":${text}}`);
        expect(answer.status).to.equal(204);
        expect((await document())['big']).to.equal(Number(text));
        expect((await ask('PATCH', `/v2/devices/${made.uuid}`, { big: (await document())['big'] })).status).to.equal(204);
      });
    }

    for (const text of ['9007199254740993', '12345678901234567890', '1e400', '123456789012345678.5', `1${'0'.repeat(20_000)}1`]) {
      it(`that would lose digits are refused: ${text.slice(0, 30)} (W5)`, async () => {
        expect((await ask('PATCH', `/v2/devices/${made.uuid}`, `{"big":${text}}`)).status).to.be.oneOf([400, 422]);
      });
    }

    for (const update of [{ $inc: { big: 1 } }, { $mul: { big: 3 } }]) {
      it(`that would lose digits are refused as a result: ${JSON.stringify(update)} (W5)`, async () => {
        await set({ big: 9007199254740992 + 2 });
        const answer = await ask('PUT', `/v2/devices/${made.uuid}`, update);
        expect(answer.status, JSON.stringify(answer.body)).to.equal(422);
        expect((await document())['big']).to.equal(9007199254740994);
      });
    }

    it('that stay exact are taken as a result beyond 2^53 (W5)', async () => {
      await set({ big: 9007199254740992 });
      expect((await ask('PUT', `/v2/devices/${made.uuid}`, { $mul: { big: 2 } })).status).to.equal(204);
      expect((await document())['big']).to.equal(18014398509481984);
    });
  });

  describe('keys that begin with $', () => {
    it('are registered, updated, searched for, removed, and come out as they went in (W4)', async () => {
      const device = await register(url, v2({ 'discover.view': ['*'] }, { $x: 1, a: { $y: 2 } }));
      const read = async (): Promise<Properties> => (await ask('GET', '/v2/whoami', undefined, device)).body;
      expect(await read()).to.deep.include({ $x: 1, a: { $y: 2 } });
      expect((await ask('PATCH', `/v2/devices/${device.uuid}`, { $x: 3 }, device)).status).to.equal(204);
      expect((await ask('PUT', `/v2/devices/${device.uuid}`, { $set: { 'a.$y': 4 } }, device)).status).to.equal(204);
      expect(await read()).to.deep.include({ $x: 3, a: { $y: 4 } });
      expect(await found('$x=3', device)).to.deep.equal([device.uuid]);
      const search = await ask('POST', '/search/devices', { 'a.$y': 4 }, device);
      expect((search.body as readonly Made[]).map(({ uuid }) => uuid)).to.deep.equal([device.uuid]);
      const { uuid: _uuid, token: _token, meshblu: _meshblu, ...same } = await read();
      expect((await ask('PUT', `/devices/${device.uuid}`, same, device)).status).to.equal(204);
      expect((await ask('PUT', `/v2/devices/${device.uuid}`, { $unset: { $x: '', 'a.$y': '' } }, device)).status).to.equal(204);
      expect(await read()).to.deep.include({ a: {} });
      expect(await read()).not.to.have.property('$x');
    });

    it('are answered and found as they were given in the metadata of tokens (W4)', async () => {
      const token = (await ask('POST', `/devices/${made.uuid}/tokens`, { $tag: 'one' })).body as Properties;
      expect(token).to.include({ $tag: 'one' });
      const tokens = (await ask('POST', '/search/tokens', { uuid: made.uuid, $tag: 'one' })).body as readonly Properties[];
      expect(tokens).to.have.length(1);
    });

    it('are refused at the top of a query where they name an operator (W4)', async () => {
      for (const name of ['$where', '$expr', '$regex', '$text'])
        expect((await ask('POST', '/search/devices', { [name]: 1 })).status, name).to.equal(422);
    });
  });

  describe('searches', () => {
    it('find numbers and booleans that the query string can only write as texts (W3)', async () => {
      const five = await register(url, v2({ 'discover.view': ['*'] }, { n: 5, kind: 'W3', on: true }));
      const text = await register(url, v2({ 'discover.view': ['*'] }, { n: '5', kind: 'W3', on: 'true' }));
      const both = [five.uuid, text.uuid].sort();
      expect([...(await found('kind=W3&n=5'))].sort()).to.deep.equal(both);
      expect([...(await found('kind=W3&on=true'))].sort()).to.deep.equal(both);
      expect(await found('kind=W3&n=05')).to.deep.equal([]);
    });

    it('read each value of a list as they read a single one (W3)', async () => {
      const { meshblu } = (await document()) as { meshblu: { createdAt: string } };
      const one = async (query: object): Promise<readonly string[]> =>
        ((await ask('POST', '/search/devices', query)).body as readonly Made[]).map(({ uuid }) => uuid);
      for (const condition of [meshblu.createdAt, { $eq: meshblu.createdAt }, { $in: [meshblu.createdAt] }])
        expect(await one({ type: 'lamp', 'meshblu.createdAt': condition })).to.deep.equal([made.uuid]);
      expect(await one({ type: 'lamp', online: { $in: ['false'] } })).to.deep.equal([made.uuid]);
    });

    it('find devices by what meshblu.online says (W3)', async () => {
      const shown = await register(url, v2({ 'discover.view': ['*'] }, { type: 'shown' }));
      const socket = await connectAs(url, shown, { auto_set_online: true });
      let online: { since: string; reason: string } | undefined;
      await until(async () => {
        const view = (await socket.ask('whoami', {})) as { online: boolean; meshblu: { online?: typeof online } };
        online = view.meshblu.online;
        return view.online && online !== undefined;
      });
      const { since, reason } = online ?? { since: '', reason: '' };
      const one = async (query: object): Promise<number> =>
        ((await ask('POST', '/search/devices', { type: 'shown', ...query })).body as readonly Made[]).length;
      expect(await one({ 'meshblu.online.reason': reason })).to.equal(1);
      expect(await one({ 'meshblu.online.since': since })).to.equal(1);
      expect(await one({ 'meshblu.online.since': { $gte: since } })).to.equal(1);
      expect(await one({ 'meshblu.online.since': { $gt: since } })).to.equal(0);
      socket.close();
    });

    it('find and revoke tokens by the time at which they were made (W3)', async () => {
      const device = await register(url, v2());
      const { createdAt } = (await ask('POST', `/devices/${device.uuid}/tokens`, { tag: 'timed' }, device)).body as Properties;
      const tokens = async (query: object): Promise<number> =>
        ((await ask('POST', '/search/tokens', { uuid: device.uuid, tag: 'timed', ...query }, device)).body as readonly object[])
          .length;
      expect(await tokens({ createdAt })).to.equal(1);
      expect(await tokens({ createdAt: { $gte: createdAt } })).to.equal(1);
      expect(await tokens({ createdAt: { $gt: createdAt } })).to.equal(0);
      const path = `/devices/${device.uuid}/tokens?createdAt=${encodeURIComponent(String(createdAt))}`;
      expect((await ask('DELETE', path, undefined, device)).status).to.equal(204);
      expect(await tokens({})).to.equal(0);
    });
  });
});
