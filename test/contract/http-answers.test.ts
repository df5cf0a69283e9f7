import { Agent, request as httpRequest } from 'node:http';
import { operations } from '@rollcall/server/internal/operations/operation-table';
import { expect } from 'chai';
import { register, v2, type Made } from '../support/meshblu.ts';
import { onBothStores } from '../support/registries.ts';

const adminPassword = 'admin-of-the-tests';
const dashboard = 'https://dashboard.example';
const foreign = 'https://evil.example';

const basic = (name: string, secret: string): string => `Basic ${Buffer.from(`${name}:${secret}`).toString('base64')}`;

const routes = [...operations.values()].flatMap(({ row }) => row.http.map((route) => ({ row, route })));
const pathOf = (route: string): string => (route.split(' ')[1] ?? '').replaceAll(/:\w+/g, 'nobody');
const methodOf = (route: string): string => route.split(' ')[0] ?? '';
const isSafe = (route: string): boolean => route.startsWith('GET ');

onBothStores('HTTP answers', (registries) => {
  let url = '';
  let a: Made;
  let bearer = '';
  const agent = new Agent({ keepAlive: true });
  after(() => agent.destroy());
  before(async () => {
    ({ url } = await registries.start({ adminPassword, origins: [dashboard] }));
    a = await register(url, v2());
    const login = await ask('POST', '/api/login', {}, JSON.stringify({ username: 'admin', password: adminPassword }));
    bearer = `Bearer ${(JSON.parse(login.text) as Made).token}`;
  });

  /** A request with exactly these headers. */
  const ask = (method: string, path: string, headers: Record<string, string> = {}, body?: string) =>
    new Promise<{ status: number; headers: Readonly<Record<string, string | string[] | undefined>>; text: string }>(
      (resolve, reject) => {
        const type = body === undefined || 'content-type' in headers ? {} : { 'content-type': 'application/json' };
        const sent = httpRequest(url + path, { method, headers: { ...type, ...headers }, agent }, (response) => {
          let text = '';
          response.setEncoding('utf8');
          response.on('data', (chunk: string) => (text += chunk));
          response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
          response.on('error', reject);
        });
        sent.on('error', reject);
        sent.end(body);
      },
    );

  it('refuse every change that a page of another origin asks for (S10)', async () => {
    for (const { route } of routes.filter((one) => !isSafe(one.route))) {
      for (const origin of [foreign, 'null', 'not an origin']) {
        const plain = await ask(methodOf(route), pathOf(route), { origin, authorization: bearer }, '{}');
        expect(plain.status, `${route} ${origin}`).to.equal(403);
        const form = { origin, authorization: basic('admin', adminPassword), 'content-type': 'text/plain' };
        expect((await ask(methodOf(route), pathOf(route), form, '{}')).status, `${route} ${origin}`).to.equal(415);
      }
    }
  });

  it('are 415 without a content type, for cached credentials or cookies of a foreign page (S10)', async () => {
    const place = `/v2/devices/${a.uuid}`;
    for (const credentials of [{ authorization: basic(a.uuid, a.token) }, { cookie: 'session=1' }])
      expect((await ask('PATCH', place, { origin: foreign, ...credentials })).status).to.equal(415);
    const found = await ask('GET', `/v3/devices/${a.uuid}`, { authorization: basic(a.uuid, a.token), origin: foreign });
    expect(found.status).to.equal(200);
    expect(found.headers['access-control-allow-origin']).to.equal(undefined);
  });

  it('carry out what programs, pages of the same origin and allowed pages ask for (S10)', async () => {
    for (const origin of [undefined, new URL(url).origin, dashboard]) {
      const headers = { authorization: basic(a.uuid, a.token), ...(origin !== undefined && { origin }) };
      const { status } = await ask('PATCH', `/v2/devices/${a.uuid}`, headers, `{"by":"${String(origin)}"}`);
      expect(status, origin).to.equal(204);
    }
  });

  it('are kept by no cache, whatever header the credentials came in (S11)', async () => {
    const ways: readonly Record<string, string>[] = [
      { authorization: basic(a.uuid, a.token) },
      { meshblu_auth_uuid: a.uuid, meshblu_auth_token: a.token },
      { skynet_auth_uuid: a.uuid, skynet_auth_token: a.token },
      { 'x-meshblu-uuid': a.uuid, 'x-meshblu-token': a.token },
    ];
    for (const headers of ways) {
      for (const { route } of routes.filter((one) => isSafe(one.route)))
        expect((await ask('GET', pathOf(route), headers)).headers['cache-control'], route).to.equal('no-store');
      for (const path of [`/v3/devices/${a.uuid}`, '/status', '/live?nothing=1', '/no/such/place'])
        expect((await ask('GET', path, headers)).headers['cache-control'], path).to.equal('no-store');
    }
  });

  it('say by 204 or 401 whether the credentials in the headers are right (W2)', async () => {
    const check = async (headers: Record<string, string>, body?: string) =>
      (await ask('POST', '/authenticate', headers, body)).status;
    expect(await check({ authorization: basic(a.uuid, a.token) })).to.equal(204);
    expect(await check({ authorization: basic(a.uuid, a.token) }, '{}')).to.equal(204);
    expect(await check({ authorization: basic('admin', adminPassword) })).to.equal(204);
    expect(await check({ authorization: bearer })).to.equal(204);
    expect(await check({ meshblu_auth_uuid: a.uuid, meshblu_auth_token: a.token })).to.equal(204);
    for (const wrong of [basic(a.uuid, 'x'), basic('admin', 'x'), basic('nobody', ''), 'Basic', 'Bearer x', 'x'])
      expect(await check({ authorization: wrong }), wrong).to.equal(401);
    expect(await check({ meshblu_auth_uuid: a.uuid, meshblu_auth_token: 'x' })).to.equal(401);
    expect(await check({}, JSON.stringify({ uuid: a.uuid, token: a.token }))).to.equal(204);
    expect(await check({}, JSON.stringify({ uuid: a.uuid, token: 'x' }))).to.equal(403);
    expect(await check({})).to.equal(422);
  });

  it('ask for the permission of the path of the request (W7)', async () => {
    const as = async (resource: string): Promise<string> => {
      const username = `reads${resource.replaceAll(/\W/g, '-')}`;
      const permissions = [{ resource, operation: 'read', context: 'http' }];
      const body = JSON.stringify({ username, password: 'secret1', initialPermissions: permissions });
      expect((await ask('POST', '/api/users', { authorization: bearer }, body)).status).to.equal(201);
      const login = await ask('POST', '/api/login', {}, JSON.stringify({ username, password: 'secret1' }));
      return `Bearer ${(JSON.parse(login.text) as Made).token}`;
    };
    const reads = routes.filter(({ row, route }) => isSafe(route) && 'permission' in row.access && row.file === undefined);
    const read = [...new Set(reads.filter(({ row }) => 'permission' in row.access && row.access.operation === 'read'))];
    for (const path of read.map(({ route }) => pathOf(route)).filter((one) => !one.includes('nobody'))) {
      const authorization = await as(path);
      for (const other of ['/api/users', '/api/listUsers', path]) {
        const { status } = await ask('GET', other, { authorization });
        if (other === path) expect(status, path).to.not.equal(403);
        else expect(status, `${other} with ${path}`).to.equal(403);
        if (other === path) break;
      }
    }
  });

  it('come for HEAD wherever GET is answered, also for streams (W7)', async () => {
    const authorization = basic(a.uuid, a.token);
    const live = await ask('HEAD', '/live', { authorization });
    expect([live.status, live.headers['content-type'], live.text]).to.deep.equal([200, 'text/event-stream; charset=utf-8', '']);
    expect((await ask('HEAD', '/live')).status).to.equal(401);
    expect((await ask('HEAD', '/live?filter={', { authorization })).status).to.equal(422);
    for (const { route } of routes.filter((one) => isSafe(one.route))) {
      const [got, head] = [
        await ask('GET', pathOf(route), { authorization }),
        await ask('HEAD', pathOf(route), { authorization }),
      ];
      expect([head.status, head.text], route).to.deep.equal([got.status, '']);
    }
  });

  it('allow pages every method, and show them the headers that failures are told by (W7)', async () => {
    const preflight = await ask('OPTIONS', '/devices', { origin: dashboard, 'access-control-request-method': 'PATCH' });
    expect(preflight.status).to.equal(204);
    const methods = String(preflight.headers['access-control-allow-methods']).split(', ');
    expect(methods).to.include.members([...new Set(routes.map(({ route }) => methodOf(route))), 'HEAD']);
    const answer = await ask('GET', '/v2/whoami', { origin: dashboard });
    const exposed = String(answer.headers['access-control-expose-headers']).split(', ');
    expect(exposed).to.include.members(['x-meshblu-error', 'retry-after', 'etag']);
  });

  it('are 405 with the methods that the path takes, on every path (W11)', async () => {
    const paths = [
      ...routes.map(({ route }) => pathOf(route)),
      '/live',
      '/healthz',
      '/metrics',
      '/login',
      '/api/broker/auth/publish',
    ];
    for (const path of new Set(paths)) {
      const taken = new Set<string>();
      for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']) {
        const { status, headers } = await ask(
          method,
          path,
          { authorization: bearer, ...(path === '/live' && { accept: '*/*' }) },
          method === 'GET' ? undefined : '{',
        );
        if (status !== 405) {
          taken.add(method);
          if (path === '/live') break;
          continue;
        }
        const allow = String(headers['allow']).split(', ');
        expect(allow, `${method} ${path}`).to.not.include(method).and.not.deep.equal(['']);
        for (const one of taken) expect(allow, `${method} ${path}`).to.include(one);
      }
      if (path !== '/live') expect(taken.size, path).to.be.within(1, 4);
    }
    expect((await ask('PUT', '/live', { authorization: bearer }, '{')).headers['allow']).to.equal('GET');
    expect((await ask('GET', '/no/such/place')).status).to.equal(404);
  });

  it('that are 401 name every scheme (W11)', async () => {
    let refused = 0;
    for (const { route } of [...routes, { route: 'GET /live' }]) {
      for (const headers of [{}, { authorization: 'Bearer x' }, { authorization: basic('nobody', 'x') }]) {
        const { status, headers: answered } = await ask(methodOf(route), pathOf(route), headers);
        if (status !== 401) continue;
        refused += 1;
        expect(answered['www-authenticate'], route)
          .to.match(/\bBearer\b/)
          .and.match(/\bBasic realm=/);
      }
    }
    expect(refused).to.be.above(100);
  });
});
