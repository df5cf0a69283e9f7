import { operations } from '@rollcall/server/internal/operations/operation-table';
import { queryCheckOf } from '@rollcall/server/internal/transports/dialects/index';
import { expect } from 'chai';
import { register, v2, type Made } from '../support/meshblu.ts';
import { onBothStores } from '../support/registries.ts';

const adminPassword = 'admin-of-the-tests';

interface Asked {
  readonly authorization?: string;
  readonly headers?: Record<string, string>;
  readonly body?: unknown;
  /** Sent as it is instead of `body`. */
  readonly raw?: string | Buffer;
}

interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

const basic = ({ uuid, token }: Made): string => `Basic ${Buffer.from(`${uuid}:${token}`).toString('base64')}`;

const asJson = (text: string): unknown => {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
};

const routes = [...operations.values()].flatMap((operation) => operation.row.http.map((route) => ({ operation, route })));

/** A path of this route that names nothing that is there. */
const pathOf = (route: string): string => (route.split(' ')[1] ?? '').replaceAll(/:\w+/g, 'nobody');
const methodOf = (route: string): string => route.split(' ')[0] ?? '';

onBothStores('HTTP requests are checked before anything is changed', (registries) => {
  let url = '';
  let admin = '';
  let a: Made;
  before(async () => {
    ({ url } = await registries.start({ adminPassword }));
    const login = await ask('POST', '/api/login', { authorization: '', body: { username: 'admin', password: adminPassword } });
    admin = `Bearer ${(login.body as Made).token}`;
    a = await register(url, v2());
  });

  const ask = async (method: string, path: string, given: Asked = {}): Promise<Reply> => {
    const { authorization = admin, headers = {}, body, raw } = given;
    const content = raw ?? (body === undefined ? undefined : JSON.stringify(body));
    const response = await fetch(url + path, {
      method,
      redirect: 'manual',
      headers: {
        ...(authorization !== '' && { authorization }),
        ...(content !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(content !== undefined && { body: content }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: text === '' ? undefined : asJson(text) };
  };
  const asDevice = { authorization: '' };
  const documentOf = async ({ uuid }: Made): Promise<unknown> => (await ask('GET', `/v3/devices/${uuid}`)).body;

  it('refuses a header that it cannot read, and writes nothing (D4)', async () => {
    const b = await register(url, { count: 0 });
    const before = await documentOf(b);
    for (const headers of [
      { 'x-meshblu-projection': '{' },
      { 'x-meshblu-projection': '5' },
      { 'x-meshblu-projection': 'null' },
      { 'x-meshblu-projection': '[1]' },
      { 'x-meshblu-projection': '{"a":1,"b":0}' },
      { 'x-meshblu-projection': '{"a":{"$slice":1}}' },
      { 'x-meshblu-projection': '{"a":1,"a":0}' },
      { 'x-meshblu-projection': '['.repeat(10_000) },
      { 'if-match': 'x y' },
      { 'x-meshblu-as': 'nobody' },
    ]) {
      const { status } = await ask('PUT', `/v2/devices/${b.uuid}/find-and-update`, { body: { $inc: { count: 1 } }, headers });
      expect(status, JSON.stringify(headers)).to.be.oneOf([403, 422]);
      expect(await documentOf(b), JSON.stringify(headers)).to.deep.equal(before);
    }
  });

  it('refuses a condition on every changing route that checks no revision, and X-Meshblu-As on every public one', async () => {
    const silent = new Set<string>();
    const refused = async (route: string, headers: Record<string, string>, sentence: string): Promise<void> => {
      const { status, body } = await ask(methodOf(route), pathOf(route), { headers });
      expect([400, 422], `${route} ${JSON.stringify(headers)}`).to.include(status);
      if (!JSON.stringify(body).includes(sentence)) silent.add(route);
    };
    const unchecked = routes.filter(({ operation: { row } }) => row.mutates && row.checksRevision !== true);
    const open = routes.filter(({ operation: { row } }) => 'public' in row.access);
    expect([unchecked.length > 10, open.length > 5]).to.deep.equal([true, true]);
    for (const { route } of unchecked)
      for (const headers of [{ 'if-match': '"1"' }, { 'if-none-match': '*' }] as Record<string, string>[])
        await refused(route, headers, 'checks no revision');
    for (const { route } of open) await refused(route, { 'x-meshblu-as': a.uuid }, 'acts for no other device');
    // Meshblu's answers have no sentence of ours, and the logins have their own: the same requests succeed without the header.
    expect([...silent].filter((route) => / \/api\/(?!v2\/auth\/)/.test(route))).to.deep.equal([]);
    const tokens = `/devices/${a.uuid}/tokens`;
    const own = { authorization: basic(a) };
    expect((await ask('POST', tokens, { ...own, body: {}, headers: { 'if-match': '*' } })).status).to.equal(422);
    expect((await ask('POST', tokens, { ...own, body: {} })).status).to.equal(201);
    expect((await ask('GET', '/status', { ...own, headers: { 'x-meshblu-as': a.uuid } })).status).to.equal(422);
    expect((await ask('GET', '/status', own)).status).to.equal(200);
  });

  describe('the query', () => {
    const strict = routes.filter(({ operation, route }) => {
      try {
        queryCheckOf(operation, route)({ 'no-such-name': '1' });
        return false;
      } catch {
        return true;
      }
    });

    it('is checked on every changing route, and on every one of the administration (D5)', () => {
      const lenient = routes
        .filter((one) => !strict.includes(one))
        .filter(({ operation: { row } }) => row.mutates || row.dialect);
      // Each name in that query is a condition on what is ended.
      expect(lenient.map(({ route }) => route)).to.deep.equal(['DELETE /devices/:uuid/tokens']);
    });

    it('is refused with a name that the route does not have (D5)', async () => {
      for (const { route } of strict) {
        const { status } = await ask(methodOf(route), `${pathOf(route)}?no-such-name=1`);
        expect(status, route).to.be.oneOf([400, 422]);
      }
      expect((await ask('GET', '/live?fliter={}')).status).to.equal(422);
    });

    it('is refused with a name twice (D5)', async () => {
      for (const { operation, route } of routes) {
        const { properties = {} } = operation.row.input as { properties?: Record<string, { type?: string }> };
        for (const [name, { type }] of Object.entries(properties)) {
          const isTaken = (query: Record<string, unknown>): boolean => {
            try {
              queryCheckOf(operation, route)(query);
              return true;
            } catch {
              return false;
            }
          };
          if (!strict.some((one) => one.route === route) || !isTaken({ [name]: '1' }) || type === 'array') continue;
          expect(isTaken({ [name]: ['1', '1'] }), `${route} ${name}`).to.equal(false);
        }
      }
      const twice = await ask('GET', '/api/listUsers?rowsPerPage=1&rowsPerPage=2');
      expect(twice).to.deep.include({ status: 400 });
      expect((await ask('GET', '/api/roles?name=a&name[eq]=a')).status).to.equal(400);
      expect((await ask('DELETE', `/devices/${a.uuid}/tokens?tag=a&tag=b`)).status).to.equal(422);
    });

    it('ends no token when a name is misspelt (D5)', async () => {
      const made = await ask('POST', '/api/users', { body: { username: 'misspelt', password: 'secret1' } });
      const { id } = made.body as { id: string };
      const login = await ask('POST', '/api/login', { ...asDevice, body: { username: 'misspelt', password: 'secret1' } });
      const own = { authorization: `Bearer ${(login.body as Made).token}` };
      for (const query of ['token=AA', 'tokenid=AA', 'tokenId[]=AA', 'tokenId=A&tokenId=B', '__proto__=AA', 'fingerprint=A&id=B'])
        expect((await ask('DELETE', `/api/users/${id}/tokens?${query}`)).status, query).to.equal(400);
      expect((await ask('GET', '/api/session', own)).status).to.equal(200);
      expect((await ask('DELETE', `/api/users/${id}/tokens`)).status).to.equal(204);
      expect((await ask('GET', '/api/session', own)).status).to.equal(401);
    });

    it('of a search has a condition in each name, also in __proto__ (D5)', async () => {
      await register(url, { type: 'proto-lamp', owner: a.uuid });
      const own = { authorization: basic(a) };
      for (const path of ['/devices', '/v2/devices', '/mydevices']) {
        const found = async (query: string): Promise<readonly unknown[]> => {
          const { status, body } = await ask('GET', `${path}?type=proto-lamp${query}`, own);
          if (status !== 200) return [];
          return Array.isArray(body) ? (body as readonly unknown[]) : (body as { devices: unknown[] }).devices;
        };
        expect(await found(''), path).to.have.lengthOf(1);
        for (const name of ['__proto__', 'constructor', 'toString', 'no-such', '__proto__.x'])
          expect(await found(`&${name}=1`), `${path} ${name}`).to.have.lengthOf(0);
      }
    });

    it('of tokens that are to end has a condition in each name, also in __proto__ (D5)', async () => {
      const b = await register(url);
      const made = await ask('POST', `/devices/${b.uuid}/tokens`, { authorization: basic(b), body: { tag: 'x' } });
      const session = basic(made.body as Made);
      for (const query of ['__proto__=1', 'tag=x&__proto__=1', 'constructor=1', 'toString=1', 'tag=X']) {
        expect((await ask('DELETE', `/devices/${b.uuid}/tokens?${query}`, { authorization: basic(b) })).status).to.be.below(500);
        expect((await ask('GET', '/v2/whoami', { authorization: session })).status, query).to.equal(200);
      }
    });

    it('or body of DELETE subscriptions ends none when a name is misspelt (D5)', async () => {
      const own = { authorization: basic(a) };
      const place = `/v2/devices/${a.uuid}/subscriptions`;
      expect((await ask('POST', `${place}/${a.uuid}/broadcast`, own)).status).to.equal(204);
      expect((await ask('DELETE', place, { ...own, body: { emiterUuid: 'nobody' } })).status).to.equal(422);
      expect((await ask('DELETE', `${place}?emiterUuid=nobody`, own)).status).to.equal(422);
      expect((await ask('GET', place, own)).body).to.have.lengthOf(1);
    });
  });

  describe('the body', () => {
    const posts = routes.filter(({ operation, route }) => /^(POST|PUT|PATCH) /.test(route) && operation.row.file === undefined);

    it('is refused in another charset than UTF-8 and when it is compressed (D6)', async () => {
      for (const { route } of posts) {
        for (const headers of [
          { 'content-type': 'application/json; charset=utf-16' },
          { 'content-type': 'application/json;charset="ISO-8859-1"' },
          { 'content-type': 'application/json; charset=utf-7' },
          { 'content-type': 'application/json', 'content-encoding': 'gzip' },
        ]) {
          const { status } = await ask(methodOf(route), pathOf(route), { raw: '{"a":1}', headers });
          expect(status, `${route} ${JSON.stringify(headers)}`).to.equal(415);
        }
      }
      for (const type of ['application/json; charset=UTF-8', 'application/json;charset="utf8"', 'application/json'])
        expect((await ask('POST', '/devices', { body: { a: 'ü' }, headers: { 'content-type': type } })).status, type).to.equal(
          201,
        );
    });

    it('is refused with bytes that are no UTF-8 (D6)', async () => {
      for (const { route } of posts) {
        for (const bytes of [[0xff], [0xc3, 0x28], [0xed, 0xa0, 0x80], [0xc0, 0xaf], [0xf5, 0x80, 0x80, 0x80]]) {
          const raw = Buffer.concat([Buffer.from('{"a":"'), Buffer.from(bytes), Buffer.from('"}')]);
          expect((await ask(methodOf(route), pathOf(route), { raw })).status, route).to.be.oneOf([400, 422]);
        }
      }
    });
  });

  describe('a record', () => {
    const store = async (fields: object): Promise<Record<string, unknown>> => {
      const own = await register(url);
      const stored = await ask('POST', `/data/${own.uuid}`, { authorization: basic(own), body: fields });
      expect(stored.status, JSON.stringify(fields)).to.equal(204);
      const { body } = await ask('GET', `/data/${own.uuid}`, { authorization: basic(own) });
      return (body as { data: [Record<string, unknown>] }).data[0];
    };

    it('keeps a text whose value does not give back the same text (D7)', async () => {
      const texts = [
        '12345678901234567890',
        '1e999',
        '1.0',
        '-0',
        '007',
        '1E3',
        '{"a":1,"a":2}',
        '{"b":1,"1":2}',
        '{"_bsontype":"ObjectId"}',
        '{"__proto__":{"x":1}}',
        '{"$where":"1"',
        '"\\u0041"',
        '"\\ud800"',
        ' 5',
        '',
        '['.repeat(20_000),
        '['.repeat(5_000) + ']'.repeat(5_000),
      ];
      const stored = await store(Object.fromEntries(texts.map((text, index) => [`f${index}`, text])));
      for (const [index, text] of texts.entries()) expect(stored[`f${index}`], text.slice(0, 40)).to.equal(text);
    });

    it('has the value of a text that is that value in JSON (D7)', async () => {
      const values = [5, -1.5, true, null, 'text', [1, 2], { a: { b: [null] } }];
      const stored = await store(Object.fromEntries(values.map((value, index) => [`f${index}`, JSON.stringify(value)])));
      for (const [index, value] of values.entries()) expect(stored[`f${index}`]).to.deep.equal(value);
    });
  });
});
