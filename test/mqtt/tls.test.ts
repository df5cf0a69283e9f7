import { createPublicKey, X509Certificate } from 'node:crypto';
import { issueCertificate } from '@rollcall/server/internal/identity/certificates/issue';
import { expect } from 'chai';
import type { Registry } from '@rollcall/server';
import { makeRequest, makeRoot, openOpenssl, type Openssl } from '../identity/support/openssl.ts';
import { onBothStores } from '../support/registries.ts';
import { until } from '../support/until.ts';
import { closeClients, connectMqtt, refusalOf, type TestClient } from './support/client.ts';
import { adminPassword, openStage, type Stage } from './support/ground.ts';

onBothStores('MQTT over TLS (access control reference, vectors 124 to 126)', (registries) => {
  let registry: Registry;
  let broker = '';
  let ca = '';
  let stage: Stage;
  let openssl: Openssl;
  before(async function () {
    openssl = await openOpenssl(this);
    registry = await registries.start({ mqttsPort: 0, adminPassword });
    broker = registry.mqtt[0] ?? '';
    stage = await openStage(registry.url);
    const { body } = await stage.call('certificates:list');
    const [own] = body['certificates'] as { id: string }[];
    ca = String((await stage.call('certificates:content', { id: own?.id })).body['pem']);
    await stage.user(
      'robot',
      { 'plant/#': 'readWrite' },
      { password: undefined, grantTypes: [{ method: 'certificate', isRequired: false }] },
    );
    await stage.user('person', {});
  });
  after(() => openssl.remove());
  afterEach(closeClients);

  /** A client certificate for this name from this authority. */
  const issue = async (root: string, username: string): Promise<{ cert: string; key: string; ca: string }> => {
    const name = `${root}-${username}`;
    await makeRequest(openssl, name, `/CN=${username}`);
    await openssl.run(
      `x509 -req -in $${name}.csr -CA $${root}.crt -CAkey $${root}.key -CAcreateserial -days 30 -out $${name}.crt`,
    );
    return { cert: await openssl.read(`${name}.crt`), key: await openssl.read(`${name}.key`), ca };
  };

  it('shows a certificate of the registry’s own authority, and takes passwords too', async () => {
    expect(await refusalOf(broker, { ca, username: 'person', password: 'secret1' })).to.equal(0);
    expect(await refusalOf(broker, { ca, username: 'person', password: 'wrong' })).to.equal(4);
    expect(String(await refusalOf(broker, { username: 'person', password: 'secret1' }))).to.match(/SELF_SIGNED|UNABLE_TO/);
  });

  it('124, 125, 126: a trusted certificate logs its user in; a rogue one, or one without the grant, is refused with 5', async () => {
    const [pem] = [await makeRoot(openssl, 'trusted'), await makeRoot(openssl, 'rogue')];
    const added = await stage.call('certificates:add', { pem });
    expect(added.outcome).to.equal('ok');
    const client = await connectMqtt(broker, { ...(await issue('trusted', 'robot')), clientId: 'robot' });
    expect(await client.subscribe('plant/x', 1)).to.deep.equal([1]);
    expect(await refusalOf(broker, { ...(await issue('rogue', 'robot')), clientId: 'rogue' })).to.equal(5);
    expect(await refusalOf(broker, { ...(await issue('trusted', 'person')), clientId: 'person' })).to.equal(5);
    expect(await refusalOf(broker, { ...(await issue('trusted', 'nobody')), clientId: 'nobody' })).to.equal(5);
    // A user name beside a certificate is the certificate's or empty (W11).
    const robot = { ...(await issue('trusted', 'robot')), clientId: 'robot-2' };
    for (const [username, code] of [
      ['admin', 5],
      ['robots', 5],
      ['robot', 0],
      ['', 0],
    ] as const)
      expect(await refusalOf(broker, { ...robot, username }), username).to.equal(code);
    const { body } = await stage.call('audit:list', { action: 'login:certificate' });
    const told = body['entries'] as { outcome: string; actor: { username: string } | null }[];
    expect(new Set(told.filter(({ outcome }) => outcome === 'ok').map(({ actor }) => actor?.username))).to.deep.equal(
      new Set(['robot']),
    );
    expect(told.filter(({ outcome }) => outcome === 'invalid-credentials')).to.have.length.of.at.least(2);

    await stage.user('both', {}, { grantTypes: ['password', 'certificate'].map((method) => ({ method, isRequired: true })) });
    const both = { ...(await issue('trusted', 'both')), clientId: 'both', username: 'both', password: 'secret1' };
    expect(await refusalOf(broker, both)).to.equal(0);
    expect(await refusalOf(broker, { ...both, password: 'wrong' })).to.equal(4);
    const { password: _password, ...alone } = both;
    expect(await refusalOf(broker, alone)).to.equal(5);
    expect(await refusalOf(broker, { ...both, ...(await issue('rogue', 'both')) })).to.equal(4);
    expect(await refusalOf(broker, { ca, clientId: 'both', username: 'both', password: 'secret1' })).to.equal(4);

    const [certificate] = added.body['certificates'] as { id: string }[];
    await stage.call('certificates:remove', { id: certificate?.id });
    await client.closed();
    expect(await refusalOf(broker, { ...(await issue('trusted', 'robot')), clientId: 'robot' })).to.equal(5);
  });

  it('a connection ends with the method that it was made by, when that is taken from its user', async () => {
    const pem = await makeRoot(openssl, 'methods');
    expect((await stage.call('certificates:add', { pem })).outcome).to.equal('ok');
    const either = ['password', 'certificate'].map((method) => ({ method, isRequired: false }));
    const id = await stage.user('either', {}, { grantTypes: either });
    const byPassword = await connectMqtt(broker, { ca, clientId: 'one', username: 'either', password: 'secret1' });
    const byCertificate = await connectMqtt(broker, { ...(await issue('methods', 'either')), clientId: 'other' });
    expect((await stage.call('users:update', { id, grantTypes: either.slice(1) })).outcome).to.equal('ok');
    await byPassword.closed();
    await byCertificate.subscribe('users/either/x', 0);
    const back = { id, password: 'secret1', grantTypes: either.slice(0, 1) };
    expect((await stage.call('users:update', back)).outcome).to.equal('ok');
    await byCertificate.closed();
  });

  /** A user who logs in by certificate alone, and a connection of that user. */
  const certified = async (name: string) => {
    const added = await stage.call('certificates:add', { pem: await makeRoot(openssl, name) });
    const [authority] = added.body['certificates'] as { id: string }[];
    const id = await stage.user(name, {}, { password: undefined, grantTypes: [{ method: 'certificate', isRequired: false }] });
    const login = { ...(await issue(name, name)), clientId: name };
    const { fingerprint: sha1, fingerprint256: sha256 } = new X509Certificate(login.cert);
    return { client: await connectMqtt(broker, login), id, login, authority: authority?.id, sha1, sha256 };
  };

  const connections = async (): Promise<number> => {
    const metrics = await (await fetch(`${registry.url}/metrics`)).text();
    return Number(/^rollcall_connections(?:\{[^}]*\})? (\d+)/m.exec(metrics)?.[1]);
  };

  /** Of so many connections these end with a call. They have ended when it is answered: no sweep, each 5 s, has to come first. */
  const ends = async (there: number, clients: readonly TestClient[], event: string, input: object): Promise<void> => {
    await until(async () => (await connections()) === there);
    const { outcome, body } = await stage.call(event, { ...input });
    expect(outcome, JSON.stringify(body)).to.equal('ok');
    expect(await connections()).to.equal(there - clients.length);
    for (const client of clients) await client.closed();
  };

  const other = (n: number): string => n.toString(16).padStart(2, '0').repeat(32);

  it('binding a user to another certificate ends the connections by the old one before the answer (S7)', async () => {
    const { client, id, login } = await certified('bound');
    await ends(1, [client], 'users:addCertificate', { id, fingerprint: other(1) });
    expect(await refusalOf(broker, login)).to.equal(5);
  });

  for (const kind of ['sha1', 'sha256'] as const) {
    it(`a connection by the certificate that a user is bound to, by ${kind}, goes on (S7)`, async () => {
      const { client, id, login, [kind]: fingerprint } = await certified(`own-${kind}`);
      await ends(1, [], 'users:addCertificate', { id, fingerprint });
      await ends(1, [], 'users:addCertificate', { id, fingerprint: other(2) });
      expect(await client.subscribe(`users/own-${kind}/x`)).to.have.length(1);
      const again = await connectMqtt(broker, { ...login, clientId: 'again' });
      // The bound one is taken away, another one is left.
      await ends(2, [client, again], 'users:removeCertificate', { id, fingerprint });
      expect(await refusalOf(broker, login)).to.equal(5);
    });
  }

  it('removing an authority ends the connections by its certificates before the answer, with a password beside them too (S7)', async () => {
    const { client, login, authority } = await certified('removed');
    const grantTypes = ['password', 'certificate'].map((method) => ({ method, isRequired: true }));
    await stage.user('removed-both', {}, { grantTypes });
    const pair = { ...(await issue('removed', 'removed-both')), username: 'removed-both', password: 'secret1' };
    const both = await connectMqtt(broker, { ...pair, clientId: 'removed-both' });
    const alone = await connectMqtt(broker, { ca, username: 'person', password: 'secret1', clientId: 'alone' });
    await ends(3, [client, both], 'certificates:remove', { id: authority });
    expect(await refusalOf(broker, login)).to.equal(5);
    expect(await alone.subscribe('users/person/x')).to.have.length(1);
  });

  it('a connection ends when its certificate expires (S7)', async () => {
    const { login } = await certified('short');
    const yearMs = 365 * 86_400_000;
    const authority = { certificate: await openssl.read('short.crt'), privateKey: await openssl.read('short.key') };
    const publicKey = createPublicKey(login.key).export({ type: 'spki', format: 'der' });
    // It holds for 365 days, beginning five minutes before it is issued.
    const issued = Date.now() - yearMs + 300_000 + 6_000;
    const cert = await issueCertificate(authority, { commonName: 'short', publicKey, purpose: 'clientAuth' }, issued);
    const client = await connectMqtt(broker, { ...login, cert, clientId: 'expiring' });
    await client.closed();
    expect(Date.now()).to.be.greaterThan(Date.parse(new X509Certificate(cert).validTo));
    expect(await refusalOf(broker, { ...login, cert })).to.not.equal(0);
  });
});
