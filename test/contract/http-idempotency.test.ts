import { randomUUID } from 'node:crypto';
import { expect } from 'chai';
import { register, type Made } from '../support/meshblu.ts';
import { onBothStores } from '../support/registries.ts';

const keys = (): string[] => [
  randomUUID(),
  randomUUID().toUpperCase(),
  `"${randomUUID()}"`,
  'k',
  `an order, no. 7 é`,
  'x'.repeat(255),
];

onBothStores('the Idempotency-Key of an HTTP request', (registries) => {
  let url = '';
  let b: Made;
  before(async () => {
    ({ url } = await registries.start());
    b = await register(url);
  });
  beforeEach(async () => {
    b = await register(url, { count: 0 });
  });

  const ask = async (method: string, path: string, key: string, body?: unknown, more: Record<string, string> = {}) => {
    const authorization = `Basic ${Buffer.from(`${b.uuid}:${b.token}`).toString('base64')}`;
    const answer = await fetch(url + path, {
      method,
      headers: {
        authorization,
        'idempotency-key': key,
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...more,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    return { status: answer.status, body: (text === '' ? undefined : JSON.parse(text)) as Record<string, unknown> | undefined };
  };
  const add = (key: string, amount: unknown, more = {}) =>
    ask('PUT', `/v2/devices/${b.uuid}/find-and-update`, key, { $inc: { count: amount }, $set: more });

  it('may be any text of up to 255 printable characters, and makes a change take effect once (W11)', async () => {
    let count = 0;
    for (const key of keys()) {
      count += 1;
      for (let sending = 0; sending < 3; sending += 1) expect((await add(key, 1)).body, key).to.include({ count });
    }
    for (const key of ['x'.repeat(256), 'a\tb']) expect((await add(key, 1)).status, key).to.equal(422);
    expect((await add(randomUUID(), 1)).body).to.include({ count: count + 1 });
  });

  it('makes a creation happen once (W11)', async () => {
    for (const key of [...keys(), 'abcdefghijklmnopqrstuv:3']) {
      const uuids = new Set<unknown>();
      for (let sending = 0; sending < 3; sending += 1) {
        const { status, body } = await ask('POST', '/devices', key, { type: 'lamp', room: { a: 1, b: 2 } });
        expect(status, key).to.equal(201);
        uuids.add(body?.['uuid']);
      }
      expect(uuids.size, key).to.equal(1);
    }
  });

  it('is a conflict with another body, method or route, for changes (W11)', async () => {
    for (const key of [...keys(), 'abcdefghijklmnopqrstuv:4']) {
      const first = await add(key, 1, { x: { a: 1, b: 2 } });
      expect(first.status, key).to.equal(200);
      expect((await add(key, 2, { x: { a: 1, b: 2 } })).status, key).to.equal(409);
      expect((await ask('PATCH', `/v2/devices/${b.uuid}`, key, { $inc: { count: 1 } })).status, key).to.equal(409);
      expect((await ask('DELETE', `/devices/${b.uuid}`, key)).status, key).to.equal(409);
      expect((await add(key, 1, { x: { b: 2, a: 1 } })).body, key).to.include({ count: first.body?.['count'] });
    }
  });

  it('is a conflict with another body, for creations (W11)', async () => {
    for (const key of [...keys(), 'abcdefghijklmnopqrstuv:5']) {
      const first = await ask('POST', '/devices', key, { type: 'lamp' });
      expect((await ask('POST', '/devices', key, { type: 'door' })).status, key).to.equal(409);
      expect((await ask('POST', '/devices', key, { type: 'lamp' })).body?.['uuid'], key).to.equal(first.body?.['uuid']);
      const token = (tag: string) => ask('POST', `/devices/${b.uuid}/tokens`, key, { tag });
      expect((await token('a')).status, key).to.equal(201);
      expect((await token('b')).status, key).to.equal(409);
      expect((await token('a')).status, key).to.equal(201);
    }
  });

  it('refuses no key of a document that more keys have changed than it remembers (W11)', async () => {
    for (let count = 1; count <= 70; count += 1) expect((await add(randomUUID(), 1)).body).to.include({ count });
  });

  it('is the caller’s own (W11)', async () => {
    const key = randomUUID();
    const first = await ask('POST', '/devices', key, { type: 'lamp' });
    b = await register(url);
    const second = await ask('POST', '/devices', key, { type: 'door' });
    expect(second.status).to.equal(201);
    expect(second.body?.['uuid']).not.to.equal(first.body?.['uuid']);
  });
});
