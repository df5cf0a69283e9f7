import { expect } from 'chai';
import { onBothStores } from '../support/registries.ts';
import { createClientAddress } from '@rollcall/server/internal/common/client-address';

const from = (trusted: readonly string[], peer: string, headers: Readonly<Record<string, string>>): string =>
  createClientAddress(trusted)({ headers, socket: { remoteAddress: peer } as never });

describe("The client's address", () => {
  const proxies = ['10.0.0.0/8', '::1', '127.0.0.1'];

  it('is the peer where no proxy is trusted, whatever the headers say (S6)', () => {
    expect(from([], '127.0.0.1', { 'x-forwarded-for': '192.0.2.1' })).to.equal('127.0.0.1');
    expect(from(proxies, '192.0.2.9', { forwarded: 'for=192.0.2.1' })).to.equal('192.0.2.9');
  });

  it('is the last untrusted one of X-Forwarded-For (S6)', () => {
    expect(from(proxies, '::ffff:127.0.0.1', { 'x-forwarded-for': '192.0.2.66, 192.0.2.1, 10.1.2.3' })).to.equal('192.0.2.1');
    expect(from(proxies, '::1', { 'x-forwarded-for': '::ffff:192.0.2.1' })).to.equal('192.0.2.1');
  });

  it('is the last untrusted one of Forwarded (S6)', () => {
    const forwarded = 'for=192.0.2.66, for="[2001:db8::17]:4711";proto=https, For=10.0.0.1';
    expect(from(proxies, '127.0.0.1', { forwarded })).to.equal('2001:db8::17');
  });

  it('ends the walk before an entry that is no address (S6)', () => {
    for (const bad of ['unknown', '_hidden', '', '999.1.1.1'])
      expect(from(proxies, '127.0.0.1', { 'x-forwarded-for': `192.0.2.1, ${bad}, 10.0.0.7` })).to.equal('10.0.0.7');
  });

  it('is no form of an address that only some programs read, and no address with a zone (S6)', () => {
    for (const odd of ['1', '127.1', '0x7f.1', '0177.0.0.1', 'fe80::1%eth0'])
      expect(from(proxies, '127.0.0.1', { 'x-forwarded-for': `192.0.2.1, ${odd}` })).to.equal('127.0.0.1');
  });

  it('is the proxy where both headers are there and differ: one of them may be the client’s own (S6)', () => {
    const both = { 'x-forwarded-for': '192.0.2.66', forwarded: 'for=192.0.2.1' };
    expect(from(proxies, '127.0.0.1', both)).to.equal('127.0.0.1');
    expect(from(proxies, '127.0.0.1', { ...both, 'x-forwarded-for': '192.0.2.1' })).to.equal('192.0.2.1');
  });

  it('is not cut out of a quoted text (S6)', () => {
    expect(from(proxies, '127.0.0.1', { forwarded: 'for=192.0.2.1;by="a, for=192.0.2.66"' })).to.equal('192.0.2.1');
    expect(from(proxies, '127.0.0.1', { forwarded: 'host=";for=192.0.2.66;";for=192.0.2.1' })).to.equal('192.0.2.1');
    expect(from(proxies, '127.0.0.1', { forwarded: 'for=192.0.2.66, x="abc, for=192.0.2.1' })).to.equal('127.0.0.1');
    expect(from(proxies, '127.0.0.1', { forwarded: `"${'\\"'.repeat(100_000)}` })).to.equal('127.0.0.1');
    expect(from(proxies, '127.0.0.1', { forwarded: `for=a;${'x="'.repeat(2_000)}` })).to.equal('127.0.0.1');
  });

  it('is found through a trusted network that is written inside IPv6 (S6)', () => {
    expect(from(['::ffff:10.0.0.0/64'], '203.0.113.9', { 'x-forwarded-for': '192.0.2.1' })).to.equal('203.0.113.9');
    expect(from(['::ffff:10.0.0.0/104'], '10.9.9.9', { 'x-forwarded-for': '192.0.2.1' })).to.equal('192.0.2.1');
  });
});

onBothStores('A registry with a trusted proxy in front', (registries) => {
  let url = '';
  before(async () => {
    ({ url } = await registries.start({ trustedProxies: ['127.0.0.1', '::1'], adminPassword: 'correct horse 1' }));
  });

  const login = async (address: string, password: string): Promise<number> => {
    const body = JSON.stringify({ username: 'admin', password });
    const headers = { 'content-type': 'application/json', 'x-forwarded-for': address };
    return (await fetch(`${url}/api/login`, { method: 'POST', headers, body })).status;
  };

  it('locks out the address that guessed, and no other (S6)', async () => {
    let status = 0;
    for (let guess = 0; guess < 12; guess += 1) status = await login('192.0.2.1', 'wrong');
    expect(status).to.equal(429);
    expect(await login('192.0.2.2', 'correct horse 1')).to.equal(200);
    expect(await login('192.0.2.1', 'correct horse 1')).to.equal(429);
  });
});
