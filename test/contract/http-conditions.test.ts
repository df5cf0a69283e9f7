import { expect } from 'chai';
import { register, type Made } from '../support/meshblu.ts';
import { onBothStores } from '../support/registries.ts';

onBothStores('conditions of HTTP requests', (registries) => {
  let url = '';
  let b: Made;
  before(async () => {
    ({ url } = await registries.start());
    b = await register(url);
  });

  const ask = async (method: string, path: string, headers: Record<string, string>, body?: unknown) => {
    const authorization = `Basic ${Buffer.from(`${b.uuid}:${b.token}`).toString('base64')}`;
    return fetch(url + path, {
      method,
      headers: { authorization, ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  };
  const tag = async (): Promise<string> => (await ask('GET', '/v2/whoami', {})).headers.get('etag') ?? '';

  it('are met by entity tags as RFC 9110 compares them (W11)', async () => {
    let count = 0;
    const change = async (headers: Record<string, string>): Promise<number> =>
      (await ask('PATCH', `/v2/devices/${b.uuid}`, headers, { count: (count += 1) })).status;
    const now = await tag();
    expect(now).to.match(/^"\d+"$/);
    for (const wrong of [`W/${now}`, '"x"', '"0", "none"', `W/${now}, "0"`])
      expect(await change({ 'if-match': wrong }), wrong).to.equal(409);
    for (const known of ['*', now, `W/${now}`, `"0", ${now}`])
      expect(await change({ 'if-none-match': known }), known).to.equal(409);
    for (const bad of ['x y', '"', 'W/5', '*, "1"', '"a" "b"']) expect(await change({ 'if-match': bad }), bad).to.equal(422);
    expect(await tag()).to.equal(now);
    expect(await change({ 'if-match': '*' })).to.equal(204);
    expect(await change({ 'if-match': await tag() })).to.equal(204);
    expect(await change({ 'if-match': `"0", W/"1",${await tag()}` })).to.equal(204);
    expect(await change({ 'if-none-match': '"0", "x"' })).to.equal(204);
  });

  it('save a document that the client has already (W11)', async () => {
    for (const path of ['/v2/whoami', `/v3/devices/${b.uuid}`, `/v2/devices/${b.uuid}`, `/devices/${b.uuid}`]) {
      const now = await tag();
      for (const known of [now, `W/${now}`, '*', `"0", ${now}`]) {
        const answer = await ask('GET', path, { 'if-none-match': known });
        expect([answer.status, answer.headers.get('etag'), await answer.text()], path).to.deep.equal([304, now, '']);
      }
      expect((await ask('GET', path, { 'if-none-match': '"0"' })).status, path).to.equal(200);
    }
  });

  it('whitelists that are null or of a wrong type are refused (W11)', async () => {
    const wrong = [
      ...[null, 5, true, {}, [5], [null], [{ uuid: b.uuid }]].flatMap((list) => [
        { discoverWhitelist: list },
        { sendAsWhitelist: list },
      ]),
      ...[null, 'x', 5, [], { discover: null }, { discover: { view: null } }, { discover: { view: ['x'] } }].map(
        (whitelists) => ({
          meshblu: { version: '2.0.0', whitelists },
        }),
      ),
    ];
    for (const document of wrong) {
      expect((await ask('POST', '/devices', {}, document)).status, JSON.stringify(document)).to.equal(422);
      expect((await ask('PATCH', `/v2/devices/${b.uuid}`, {}, document)).status, JSON.stringify(document)).to.equal(422);
    }
    for (const document of [{ discoverWhitelist: b.uuid }, { discoverWhitelist: [] }, { sendWhitelist: [b.uuid, '*'] }])
      expect((await ask('POST', '/devices', {}, document)).status, JSON.stringify(document)).to.equal(201);
  });
});
