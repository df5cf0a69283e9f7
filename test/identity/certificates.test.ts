import { X509Certificate } from 'node:crypto';
import { expect } from 'chai';
import type { CertificateInfo } from '@rollcall/client/contract';
import { makeRequest, makeRoot, openOpenssl, type Openssl } from './support/openssl.ts';
import { onBothStores } from '../support/registries.ts';
import { askHttp } from './support/letter.ts';
import { overBothSurfaces } from './support/suites.ts';

const colons = (text: string): string => (text.match(/../g) ?? []).join(':');

overBothSurfaces('certificates (access control reference, 8, vectors 40, 41, 117 to 123)', ({ call, user, name }) => {
  const outcomeOf = async (...asked: Parameters<typeof call>): Promise<string> => (await call(...asked)).outcome;
  const list = async (): Promise<readonly CertificateInfo[]> =>
    (await call('certificates:list')).body['certificates'] as CertificateInfo[];
  const add = async (pem: string): Promise<readonly CertificateInfo[]> => {
    const { outcome, body } = await call('certificates:add', { pem });
    expect(outcome, JSON.stringify(body)).to.equal('ok');
    return body['certificates'] as CertificateInfo[];
  };
  let openssl: Openssl;
  before(async function () {
    openssl = await openOpenssl(this);
  });
  after(() => openssl.remove());

  it('117: a fresh server has an authority of its own, which cannot be removed', async () => {
    const [own, ...others] = await list();
    expect(others).to.deep.equal([]);
    expect(own).to.deep.include({ removable: false, basicConstraints: { isCA: true, pathLength: 0 } });
    expect(own?.keyUsage).to.deep.equal(['keyCertSign', 'cRLSign']);
    expect(own?.issuedBy).to.deep.equal({ commonName: 'Rollcall CA', organization: 'Rollcall', organizationalUnit: '' });
    expect((await list())[0]?.id).to.equal(own?.id);
    expect(await outcomeOf('certificates:remove', { id: own?.id })).to.equal('conflict');
    const { body } = await call('certificates:content', { id: own?.id });
    await openssl.write('own.crt', String(body['pem']));
    expect(await openssl.run('x509 -in $own.crt -noout -text')).to.match(/ecdsa-with-SHA256[^]*CA:TRUE, pathlen:0/);
    expect(await openssl.run('verify -check_ss_sig -CAfile $own.crt $own.crt')).to.include('OK');
  });

  it('118, 119, 121, 122: several are added at once, again changes nothing, and each can be read', async () => {
    const [one, other] = [await makeRoot(openssl, name('root')), await makeRoot(openssl, name('root'))];
    const before = (await list()).length;
    const added = await add(`some words before\n${one}${other}`);
    expect(added.map(({ removable }) => removable)).to.deep.equal([true, true]);
    const prints = [one, other].map((pem) => new X509Certificate(pem));
    expect(added.map(({ fingerprints }) => fingerprints)).to.deep.equal(
      prints.map(({ fingerprint, fingerprint256 }) => ({ sha1: fingerprint, sha256: fingerprint256 })),
    );
    const ids = added.map(({ id }) => id);
    expect((await add(one + other)).map(({ id }) => id)).to.deep.equal(ids);
    expect(await list()).to.have.lengthOf(before + 2);
    for (const id of [ids[0], ids[0]?.toUpperCase(), colons(ids[0] ?? '')]) {
      const { outcome, body } = await call('certificates:content', { id });
      expect(outcome).to.equal('ok');
      expect(new X509Certificate(String(body['pem'])).fingerprint256).to.equal(prints[0]?.fingerprint256);
    }
    expect(await outcomeOf('certificates:content', {})).to.equal('invalid-input');
    expect(await outcomeOf('certificates:content', { id: '00'.repeat(32) })).to.equal('not-found');
    expect(await outcomeOf('certificates:content', { id: 'none' })).to.equal('not-found');
    expect(await outcomeOf('certificates:remove', { id: ids[0] })).to.equal('ok');
    expect(await outcomeOf('certificates:remove', { id: ids[0] })).to.equal('not-found');
    expect(await list()).to.have.lengthOf(before + 1);
    expect((await add(one))[0]?.id).to.equal(ids[0]);
  });

  it('120: what is no certificate is refused, and a private key too; nothing of it is kept', async () => {
    const pem = await makeRoot(openssl, 'mixed');
    const key = await openssl.read('mixed.key');
    const before = await list();
    const begin = '-----BEGIN CERTIFICATE-----\n';
    const end = '\n-----END CERTIFICATE-----\n';
    const refused = {
      garbage: 'garbage',
      'a private key': key,
      'a certificate with its key': pem + key,
      'a key in other clothes': key.replaceAll('PRIVATE KEY', 'RSA PRIVATE KEY'),
      'a request': await makeRequest(openssl, 'csr'),
      'half a certificate': pem.slice(0, -40),
      'no end': pem.replace(/-----END.*/, ''),
      'base64 that is no certificate': begin + Buffer.from('hello').toString('base64') + end,
      'no base64': `${begin}!!!!${end}`,
      'an empty block': begin + end,
      'a certificate and rubbish': `${pem}${begin}AAAA${end}`,
      'depth without end': begin + Buffer.alloc(9_000, Buffer.from([0x30, 0x80])).toString('base64') + end,
      'a huge one': begin + Buffer.alloc(60_000).toString('base64') + end,
      'a hundred': pem.repeat(100),
    };
    for (const [what, text] of Object.entries(refused))
      expect(await outcomeOf('certificates:add', { pem: text }), what).to.equal('invalid-input');
    expect(await list()).to.deep.equal(before);
  });

  it('123: everything about one is shown as it is', async () => {
    await openssl.run(
      'req -x509 -sha1 -newkey rsa:2048 -nodes -keyout $old.key -out $old.crt -days 365 -subj',
      '/CN=CybusCA/O=Cybus',
    );
    const more =
      'basicConstraints=CA:FALSE\nextendedKeyUsage=clientAuth,1.3.6.1.4.1.311.20.2.2\nkeyUsage=digitalSignature,keyEncipherment\nsubjectAltName=DNS:r2.d2,IP:10.1.2.3,email:r2@d2\n';
    await openssl.write('old.ext', more);
    await makeRequest(openssl, 'robot', '/CN=R2D2/O=Robots Inc./OU=R&D', 'rsa:2048');
    await openssl.run(
      'x509 -req -sha1 -in $robot.csr -CA $old.crt -CAkey $old.key -CAcreateserial -days 365 -extfile $old.ext -out $robot.crt',
    );
    const pem = await openssl.read('robot.crt');
    const [info] = await add(pem);
    const print = (await openssl.run('x509 -in $robot.crt -noout -fingerprint -sha1')).trim().split('=')[1];
    const checked = new X509Certificate(pem);
    expect(info).to.deep.equal({
      id: checked.fingerprint256.replaceAll(':', '').toLowerCase(),
      issuedBy: { commonName: 'CybusCA', organization: 'Cybus', organizationalUnit: '' },
      issuedTo: {
        commonName: 'R2D2',
        organization: 'Robots Inc.',
        organizationalUnit: 'R&D',
        alternativeNames: ['DNS:r2.d2', 'IP Address:10.1.2.3', 'email:r2@d2'],
      },
      keyUsage: ['digitalSignature', 'keyEncipherment'],
      extendedKeyUsage: ['clientAuth', '1.3.6.1.4.1.311.20.2.2'],
      basicConstraints: { isCA: false, pathLength: -1 },
      issuedOn: Date.parse(checked.validFrom),
      expiresOn: Date.parse(checked.validTo),
      fingerprints: { sha1: print, sha256: checked.fingerprint256 },
      removable: true,
    });
  });

  it('reading and changing the trust store takes a permission on its path', async () => {
    const reading = [{ resource: '/api/certificates/#', operation: 'read', context: 'http' }];
    const { token } = await user(name('reader'), { initialPermissions: reading });
    expect(await outcomeOf('certificates:list', {}, token)).to.equal('ok');
    expect(await outcomeOf('certificates:add', { pem: 'x' }, token)).to.equal('forbidden');
    expect(await outcomeOf('certificates:list', {}, null)).to.equal('unauthenticated');
  });

  it('40, 41: a user is bound to certificates by fingerprints of any form', async () => {
    const { id } = await user(name('bound'));
    const bound = async (): Promise<readonly string[]> =>
      ((await call('users:get', { id })).body['certificates'] as { fingerprint: string }[]).map(({ fingerprint }) => fingerprint);
    const [sha1, sha256] = ['ab'.repeat(20), '0C'.repeat(32)];
    expect(await outcomeOf('users:addCertificate', { id, fingerprint: colons(sha1).toUpperCase() })).to.equal('ok');
    expect(await outcomeOf('users:addCertificate', { id, fingerprint: sha1 })).to.equal('ok');
    expect(await outcomeOf('users:addCertificate', { id, fingerprint: sha256 })).to.equal('ok');
    expect(await bound()).to.deep.equal([colons(sha1.toUpperCase()), colons(sha256)]);
    expect(await outcomeOf('users:removeCertificate', { id, fingerprint: sha1 })).to.equal('ok');
    expect(await outcomeOf('users:removeCertificate', { id, fingerprint: sha1 })).to.equal('not-found');
    expect(await outcomeOf('users:removeCertificate', { id, fingerprint: colons(sha256) })).to.equal('ok');
    expect(await bound()).to.deep.equal([]);
    for (const fingerprint of ['xyz', '', 'ab'.repeat(21), `${'ab'.repeat(19)}zz`, 'a:b'.repeat(14)])
      expect(await outcomeOf('users:addCertificate', { id, fingerprint }), fingerprint).to.equal('invalid-input');
  });

  it('a new user comes with his certificates; what hangs on them goes with him', async () => {
    const fingerprint = 'de'.repeat(32);
    const grantTypes = [{ method: 'certificate', isRequired: true }];
    const wrong = await call('users:create', {
      username: name('pin'),
      grantTypes,
      certificates: [{ fingerprint: 'no'.repeat(20) }],
    });
    expect(wrong).to.deep.include({ outcome: 'invalid-input', paths: ['/certificates/0/fingerprint'] });
    const made = await call('users:create', {
      username: name('pin'),
      grantTypes,
      certificates: [
        { fingerprint },
        { fingerprint, createdAt: '2026-01-02T03:04:05.000Z', expiresAt: '2027-01-02T03:04:05.000Z' },
      ],
    });
    expect(made.body['certificates']).to.deep.equal([
      {
        fingerprint: colons(fingerprint.toUpperCase()),
        createdAt: '2026-01-02T03:04:05.000Z',
        expiresAt: '2027-01-02T03:04:05.000Z',
      },
    ]);
  });

  it('nobody binds somebody who may do more than himself', async () => {
    const managing = [{ resource: '/api/users/#', operation: 'readWrite', context: 'http' }];
    const { token } = await user(name('manager'), { initialPermissions: managing });
    const { body } = await call('users:list', { usernames: ['admin'] });
    const [{ id } = { id: '' }] = body['users'] as { id: string }[];
    for (const event of ['users:addCertificate', 'users:removeCertificate'])
      expect(await outcomeOf(event, { id, fingerprint: 'ab'.repeat(20) }, token), event).to.equal('forbidden');
  });
});

onBothStores('certificates over HTTP, to the letter (access control reference, 3.1, 3.6 and 4)', (registries) => {
  let openssl: Openssl;
  let ask: Awaited<ReturnType<typeof askHttp>>;
  before(async function () {
    openssl = await openOpenssl(this);
    ask = await askHttp(registries);
  });
  after(() => openssl.remove());

  it('PEM is taken as a JSON string, and raw under the types that it is sent as', async () => {
    const pem = await makeRoot(openssl, 'letter');
    const first = await ask('POST', '/api/certificates', { json: pem });
    expect(first.status).to.equal(201);
    const [added] = first.body as CertificateInfo[];
    for (const type of [
      'text/plain',
      'text/plain; charset=utf-8',
      'application/x-pem-file',
      'application/pem-certificate-chain',
    ]) {
      const again = await ask('POST', '/api/certificates', { text: pem, type });
      expect(again, type).to.deep.include({ status: 201, body: first.body });
    }
    for (const [text, type] of [
      [pem, 'application/json'],
      [pem, 'text/html'],
      [JSON.stringify({ pem }), 'text/plain'],
      ['{}', 'application/json'],
      ['[]', 'application/json'],
      ['null', 'application/json'],
      ['', 'text/plain'],
    ] as const) {
      expect((await ask('POST', '/api/certificates', { text, type })).body, `${type} ${text.slice(0, 20)}`).to.include({
        status: 400,
        code: 'VALIDATION',
      });
    }
    expect((await ask('POST', '/api/certificates', { text: 'x'.repeat(200_000), type: 'text/plain' })).body).to.include({
      code: 'TOO_LARGE',
    });

    const content = await ask('GET', `/api/certificates/content?id=${added?.id}`);
    expect(content.type).to.match(/^text\/plain/);
    expect(new X509Certificate(content.text).fingerprint256).to.equal(added?.fingerprints.sha256);
    expect((await ask('GET', '/api/certificates/content')).status).to.equal(400);
    expect((await ask('GET', '/api/certificates/content?id=x')).status).to.equal(404);

    const { body } = await ask('GET', '/api/certificates');
    expect(body).to.be.an('array').with.lengthOf(2);
    expect((await ask('DELETE', '/api/certificates')).status).to.equal(400);
    expect(await ask('DELETE', `/api/certificates?id=${added?.id}`)).to.include({ status: 204, text: '' });
    expect((await ask('DELETE', `/api/certificates?id=${added?.id}`)).status).to.equal(404);
    const [own] = body as CertificateInfo[];
    expect((await ask('DELETE', `/api/certificates?id=${own?.id}`)).body).to.include({ status: 409, code: 'CONFLICT' });
  });

  it("a user's certificates are bound and loosed with 204; the body of the latter may stand in the query", async () => {
    const certificates = [{ fingerprint: 'ab'.repeat(20) }];
    const made = await ask('POST', '/api/users', { json: { username: 'bound', password: 'secret1', certificates } });
    const { id, certificates: bound } = made.body as { id: string; certificates: { expiresAt: string; createdAt: string }[] };
    expect(bound[0]?.expiresAt).to.equal('');
    expect(Date.parse(bound[0]?.createdAt ?? '')).to.be.closeTo(Date.now(), 60_000);
    const path = `/api/users/${id}/certificates`;
    const fingerprint = 'AB:'.repeat(20).slice(0, -1);
    expect(await ask('POST', path, { json: { fingerprint } })).to.include({ status: 204, text: '' });
    expect((await ask('DELETE', `${path}?fingerprint=${fingerprint}`)).status).to.equal(204);
    expect((await ask('DELETE', path, { json: { fingerprint } })).status).to.equal(404);
    expect((await ask('POST', path, { json: {} })).status).to.equal(400);
  });

  it('the own authority is the same after a restart', async () => {
    const before = (await ask('GET', '/api/certificates')).body;
    await ask.restart();
    expect((await ask('GET', '/api/certificates')).body).to.deep.equal(before);
  });
});
