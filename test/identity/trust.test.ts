import { X509Certificate } from 'node:crypto';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { createTrust, type Trust } from '@rollcall/server/internal/identity/certificates/trust-store';
import { createIdempotentIds } from '@rollcall/server/internal/data/repository/idempotent-ids';
import { createKeyRing } from '@rollcall/server/internal/identity/keys/key-ring';
import { expect } from 'chai';
import { onBothEngines, onMongo, type Bench } from '../data/support/engines.ts';
import { until } from '../support/until.ts';
import { makeRequest, makeRoot, openOpenssl, type Openssl } from './support/openssl.ts';

const trustOn = async ({ store, node }: Bench): Promise<Trust> => {
  const { certificates, feed } = await node();
  const keys = await createKeyRing(store, { pepper: 'pepper', secret: 'secret' });
  return createTrust({ store, certificates, keys, feed, ids: createIdempotentIds(Buffer.alloc(32, 1)), now: Date.now });
};

const derOf = (pem: string): Buffer => new X509Certificate(pem).raw;

/** Issues by the command: `<name>.crt` for `<name>.csr`. */
const issueBy = async (openssl: Openssl, root: string, name: string, extensions = ''): Promise<string> => {
  await openssl.write(`${name}.ext`, extensions);
  await openssl.run(
    `x509 -req -in $${name}.csr -CA $${root}.crt -CAkey $${root}.key -CAcreateserial -days 9 -extfile $${name}.ext -out $${name}.crt`,
  );
  return openssl.read(`${name}.crt`);
};

onBothEngines('the trust store', (bench) => {
  let openssl: Openssl;
  before(async function () {
    openssl = await openOpenssl(this);
  });
  after(() => openssl.remove());

  /** One TLS handshake of a client with this certificate: is it authorized, and why not? */
  const handshake = async (trust: Trust, name: string): Promise<{ readonly chain: Buffer[]; readonly why: string | null }> => {
    const { certificate, privateKey } = await trust.issueForServer(['localhost', '127.0.0.1']);
    const ca = [...(await trust.authorities())];
    let peer: TLSSocket | undefined;
    const settings = { cert: certificate, key: privateKey, ca, requestCert: true, rejectUnauthorized: false };
    const server = createServer({ ...settings, ...{ allowPartialTrustChain: true } }, (socket) => (peer = socket));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const shown = { cert: await openssl.read(`${name}.crt`), key: await openssl.read(`${name}.key`) };
    const client = connect({ host: 'localhost', port, ca: ca[0], ...shown, servername: 'localhost' });
    await until(() => client.authorized && peer !== undefined);
    const chain: Buffer[] = [];
    const seen = peer as unknown as TLSSocket;
    for (
      let one = seen.getPeerCertificate(true), last: unknown;
      one?.raw !== undefined && one !== last;
      last = one, one = one.issuerCertificate
    )
      chain.push(one.raw);
    const why = seen.authorized ? null : String(seen.authorizationError);
    client.destroy();
    seen.destroy();
    await new Promise((resolve) => server.close(resolve));
    return { chain, why };
  };

  it('TLS takes clients that lead to an authority in it, and its own server certificate; so does the second look', async () => {
    const trust = await trustOn(bench());
    const root = await makeRoot(openssl, 'root');
    await makeRequest(openssl, 'anna');
    await issueBy(openssl, 'root', 'anna', 'extendedKeyUsage=clientAuth\n');
    expect((await handshake(trust, 'anna')).why).to.match(/UNABLE_TO/);
    await trust.add(root, null);
    const { why, chain } = await handshake(trust, 'anna');
    expect(why).to.equal(null);
    const [leaf = Buffer.alloc(0)] = chain;
    expect(trust.identify(leaf)).to.deep.equal({
      username: 'anna',
      fingerprints: { sha1: new X509Certificate(leaf).fingerprint, sha256: new X509Certificate(leaf).fingerprint256 },
    });
    const before = await trust.verifier();
    expect(before(chain)).to.equal(true);
    const { id } = (await trust.add(root, null))[0] ?? { id: '' };
    await trust.remove(id);
    expect((await trust.verifier())(chain)).to.equal(false);
    expect((await handshake(trust, 'anna')).why).to.match(/UNABLE_TO/);
  });

  it('a rogue authority with the same name is not the one', async () => {
    const trust = await trustOn(bench());
    await trust.add(await makeRoot(openssl, 'real', '/CN=The CA'), null);
    await makeRoot(openssl, 'rogue', '/CN=The CA');
    await makeRequest(openssl, 'bert');
    await issueBy(openssl, 'rogue', 'bert');
    const { why, chain } = await handshake(trust, 'bert');
    expect(why).to.be.a('string');
    expect((await trust.verifier())(chain.slice(0, 1))).to.equal(false);
    expect((await trust.verifier())([derOf(await openssl.read('bert.crt')), derOf(await openssl.read('rogue.crt'))])).to.equal(
      false,
    );
  });

  it('an intermediate authority is enough, and one that the client sends may stand in between', async () => {
    const trust = await trustOn(bench());
    const root = await makeRoot(openssl, 'top');
    await makeRequest(openssl, 'middle');
    const middle = await issueBy(openssl, 'top', 'middle', 'basicConstraints=critical,CA:TRUE\n');
    await makeRequest(openssl, 'carl');
    const leaf = derOf(await issueBy(openssl, 'middle', 'carl'));
    await trust.add(middle, null);
    expect((await trust.verifier())([leaf])).to.equal(true);
    const { id } = (await trust.add(middle, null))[0] ?? { id: '' };
    await trust.remove(id);
    await trust.add(root, null);
    expect((await trust.verifier())([leaf])).to.equal(false);
    expect((await trust.verifier())([leaf, derOf(middle)])).to.equal(true);
    expect((await trust.verifier())([])).to.equal(false);
  });

  it('what a certificate says of its use counts: not for clients, or more authorities below than its own allows, is no client', async () => {
    const trust = await trustOn(bench());
    await trust.add(await makeRoot(openssl, 'strict'), null);
    const by = async (root: string, name: string, extensions: string): Promise<Buffer> => {
      await makeRequest(openssl, name);
      return derOf(await issueBy(openssl, root, name, extensions));
    };
    const verified = async (...chain: Buffer[]): Promise<boolean> => (await trust.verifier())(chain);
    const client = 'extendedKeyUsage=clientAuth\n';
    expect(await verified(await by('strict', 'client', client))).to.equal(true);
    expect(await verified(await by('strict', 'anything', 'extendedKeyUsage=anyExtendedKeyUsage\n'))).to.equal(true);
    expect(await verified(await by('strict', 'server', 'extendedKeyUsage=serverAuth\n'))).to.equal(false);

    const last = await by('strict', 'last', 'basicConstraints=critical,CA:TRUE,pathlen:0\n');
    expect(await verified(await by('last', 'below', client), last)).to.equal(true);
    const further = await by('last', 'further', 'basicConstraints=critical,CA:TRUE\n');
    expect(await verified(await by('further', 'deep', client), further, last)).to.equal(false);
    const servers = await by('strict', 'servers', 'basicConstraints=critical,CA:TRUE\nextendedKeyUsage=serverAuth\n');
    expect(await verified(await by('servers', 'odd', client), servers)).to.equal(false);
  });

  it('a certificate that is no authority is kept and verifies nothing', async () => {
    const trust = await trustOn(bench());
    await makeRoot(openssl, 'plain');
    await makeRequest(openssl, 'dora');
    const leaf = await issueBy(openssl, 'plain', 'dora', 'basicConstraints=CA:FALSE\n');
    const [info] = await trust.add(leaf, null);
    expect(info?.basicConstraints.isCA).to.equal(false);
    expect(await trust.list()).to.have.lengthOf(2);
    expect(await trust.authorities()).to.have.lengthOf(1);
    expect((await trust.verifier())([derOf(leaf)])).to.equal(false);
  });

  it('only a certificate with exactly one common name is somebody’s', async () => {
    const trust = await trustOn(bench());
    const none = await makeRoot(openssl, 'none', '/O=nobody');
    expect(() => trust.identify(none))
      .to.throw()
      .with.property('code', 'unauthenticated');
    expect(() => trust.identify(Buffer.alloc(0)))
      .to.throw()
      .with.property('code', 'unauthenticated');
    expect(() => trust.identify('rubbish'))
      .to.throw()
      .with.property('code', 'unauthenticated');
    const two = await makeRoot(openssl, 'two', '/CN=anna/CN=bert');
    expect(() => trust.identify(two))
      .to.throw()
      .with.property('code', 'unauthenticated');
  });

  it('tells of every change', async () => {
    const trust = await trustOn(bench());
    await trust.list();
    let changes = 0;
    const stop = trust.onChanged(() => (changes += 1));
    const [info] = await trust.add(await makeRoot(openssl, 'told'), null);
    await until(() => changes > 0);
    // The own authority, too, may be told of late.
    await until(async () => (await trust.list()).length === 2);
    const before = changes;
    await trust.remove(info?.id ?? '');
    await until(() => changes > before);
    stop();
  });

  it('a thousand are the most', async () => {
    const trust = await trustOn(bench());
    const row = { pem: '', removable: true, addedAt: new Date(0), _rollcall: { rev: 1, shown: 1 } };
    const [own] = await trust.authorities();
    const rows = Array.from({ length: 999 }, (_, index) => ({
      ...row,
      _id: `${index}`,
      fingerprint: `${index}`,
      pem: own ?? '',
    }));
    await bench().store.collection('certificates').insertMany(rows);
    const error = await trust.add(await makeRoot(openssl, 'last'), null).catch((failure: unknown) => failure);
    expect(error).to.have.property('code', 'conflict');
  });
});

onMongo('the trust stores of two nodes', (bench) => {
  it('are one, with one authority, and tell of changes by whichever node', async function () {
    const openssl = await openOpenssl(this);
    const [one, other] = [await trustOn(bench()), await trustOn(bench())];
    const [mine, others] = await Promise.all([one.authorities(), other.authorities()]);
    expect(mine).to.deep.equal(others);
    let changes = 0;
    other.onChanged(() => (changes += 1));
    const before = changes;
    const [info] = await one.add(await makeRoot(openssl, 'shared'), null);
    await until(() => changes > before);
    expect((await other.list()).map(({ id }) => id)).to.include(info?.id);
    await openssl.remove();
  });
});
