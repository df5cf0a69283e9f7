import { X509Certificate, createPublicKey } from 'node:crypto';
import { expect } from 'chai';
import { connectRaw } from '../support/meshblu.ts';
import { closeClients, connectMqtt } from '../mqtt/support/client.ts';
import { onBothStores, onTwoNodes } from '../support/registries.ts';
import { until } from '../support/until.ts';
import { askHttp } from './support/letter.ts';
import { makeRequest, openOpenssl, type Openssl } from './support/openssl.ts';
import { overBothSurfaces, type Ground } from './support/suites.ts';

interface View {
  readonly timestamp: string;
  readonly username: string;
  readonly credentialType: string;
  readonly granted: boolean;
  readonly permissions: unknown;
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const fromBase64 = (text: unknown): string => Buffer.from(String(text), 'base64').toString();

/** What the suites below ask of the registry. */
const asking = ({ call }: Ground) => {
  const outcomeOf = async (...asked: Parameters<typeof call>): Promise<string> => (await call(...asked)).outcome;
  const register = (username: string, more: Record<string, unknown> = { password: 'secret1' }) =>
    call('clientRegistry:register', { username, ...more }, null);
  return {
    outcomeOf,
    register,
    /** What becomes of asking: the state, or the code of a failure. */
    stateOf: async (...asked: Parameters<typeof register>): Promise<string> => {
      const { outcome, body } = await register(...asked);
      return outcome === 'ok' ? String(body['state']) : outcome;
    },
    confirm: (username: string, more: Record<string, unknown> = {}) => call('clientRegistry:confirm', { username, ...more }),
    listed: async (username: string): Promise<View | undefined> =>
      ((await call('clientRegistry:list')).body['requests'] as View[]).find((one) => one.username === username),
    open: (duration?: unknown) => outcomeOf('clientRegistry:open', duration === undefined ? {} : { duration }),
    close: () => outcomeOf('clientRegistry:close'),
  };
};

overBothSurfaces('the client registry (access control reference, 8, vectors 96 to 102, 109 to 113, 116, 139)', (ground) => {
  const { call, user, login, name } = ground;
  const { outcomeOf, register, stateOf, confirm, listed, open, close } = asking(ground);
  let roleId = '';
  before(async () => {
    const permissions = [{ resource: 'plant/#', operation: 'readWrite', context: 'mqtt' }];
    roleId = String((await call('roles:create', { name: 'plant', permissions })).body['id']);
  });

  it('96, 139: nobody may ask while it is closed, and nothing is recorded', async () => {
    await close();
    const username = name('device');
    expect(await stateOf(username)).to.equal('locked');
    expect(await listed(username)).to.equal(undefined);
    expect(await stateOf('admin')).to.equal('locked');
  });

  it('97, 116: while it is open a request is recorded, once, without its password', async () => {
    expect(await open()).to.equal('ok');
    const username = name('device');
    const wishes = {
      roles: ['plant'],
      permissions: [{ id: 'x', resource: 'plant/#', operation: 'read', context: 'mqtt' }],
      context: 'a pump',
    };
    const before = Date.now();
    expect(await stateOf(username, { password: 'secret1', ...wishes })).to.equal('pending');
    expect(await stateOf(username)).to.equal('pending');
    const view = await listed(username);
    expect(view).to.deep.equal({
      timestamp: view?.timestamp,
      username,
      credentialType: 'password',
      roles: ['plant'],
      context: 'a pump',
      permissions: [{ resource: 'plant/#', operation: 'read', context: 'mqtt' }],
      granted: false,
    });
    expect(Date.parse(view?.timestamp ?? '')).to.be.within(before, Date.now());
  });

  it('98, 99, 101: it closes by itself; requests that are known are answered, by their own credential only', async () => {
    const username = name('device');
    expect(await open()).to.equal('ok');
    expect(await stateOf(username)).to.equal('pending');
    expect(await open(1000)).to.equal('ok');
    await until(async () => (await stateOf(name('late'))) === 'locked');
    expect(await stateOf(username)).to.equal('pending');
    const other = await register(username, { password: 'another' });
    expect(other.outcome).to.equal('conflict');
    expect(await stateOf(username)).to.equal('pending');
  });

  it('100: the time it is open for is a whole number of milliseconds, from a second to an hour', async () => {
    for (const wrong of ['x', 0, 999, 10.5, 3_600_001, -1, null])
      expect(await open(wrong), String(wrong)).to.equal('invalid-input');
    expect(await open(3_600_000)).to.equal('ok');
    expect(await stateOf(name('device'))).to.equal('pending');
    expect(await close()).to.equal('ok');
    expect(await stateOf(name('device'))).to.equal('locked');
  });

  it('102: a request needs a name and a credential that could be those of a user', async () => {
    await open();
    const wish = { operation: 'read', context: 'mqtt' };
    expect((await register(name('device'), {})).outcome).to.equal('invalid-input');
    for (const username of ['ab', 'with space', '', 'x'.repeat(200), '-dash'])
      expect((await register(username)).outcome, username).to.equal('invalid-input');
    expect((await register(name('device'), { password: 'four' })).paths).to.deep.equal(['/password']);
    for (const wrong of [
      { roles: 'plant' },
      { permissions: [{ resource: 'x' }] },
      { permissions: [{ ...wish, resource: 'a/#/b' }] },
      { context: 5 },
      { more: true },
    ])
      expect((await register(name('device'), { password: 'secret1', ...wrong })).outcome).to.equal('invalid-input');
  });

  it('109, 110, 112: who confirms names a request, once, and roles by their ids', async () => {
    await open();
    const username = name('device');
    expect((await confirm(username)).outcome).to.equal('not-found');
    expect(await stateOf(username)).to.equal('pending');
    expect((await confirm(username, { roles: ['plant'] })).outcome).to.equal('invalid-input');
    expect((await confirm(username)).outcome).to.equal('ok');
    expect((await confirm(username)).outcome).to.equal('conflict');
    expect(await listed(username)).to.include({ granted: true });
    expect(await stateOf(username)).to.equal('granted');
    expect(await listed(username)).to.equal(undefined);
    expect((await confirm(username)).outcome).to.equal('conflict');
    expect(await stateOf(username)).to.equal('conflict');
  });

  it('a user who was confirmed has what the confirmation says and none of his wishes, and logs in by his password', async () => {
    await open();
    const username = name('device');
    const wishes = { roles: ['registry-admin'], permissions: [{ resource: '/#', operation: 'readWrite', context: 'http' }] };
    await register(username, { password: 'secret1', ...wishes });
    const own = [{ resource: 'own/#', operation: 'read', context: 'mqtt' }];
    const { body } = await confirm(username, { roles: [roleId], initialPermissions: own, mqttPublishPrefix: 'p/' });
    expect(body).to.deep.include({
      username,
      autoGenerated: false,
      mqttPublishPrefix: 'p/',
      grantTypes: [{ method: 'password', isRequired: true }],
      certificates: [],
    });
    const roles = body['roles'] as { id: string; permissions: { resource: string }[] }[];
    expect(roles[0]?.id).to.equal(roleId);
    expect(roles[1]?.permissions.map(({ resource }) => resource)).to.deep.equal(['own/#']);
    expect(roles).to.have.lengthOf(2);
    const token = await login(username, 'secret1');
    expect(await outcomeOf('users:list', {}, token)).to.equal('forbidden');
    expect((await call('users:get', { id: body['id'] }, token)).outcome).to.equal('forbidden');
  });

  it('111: a name that is taken, by a user or by another request, is refused in the same words', async () => {
    await open();
    const username = name('taken');
    await user(username);
    const requested = name('device');
    await register(requested);
    const answers = await Promise.all([
      register(username),
      register(username.toUpperCase()),
      register(requested, { password: 'another' }),
    ]);
    for (const answer of answers) expect(answer).to.deep.equal(answers[0]);
    expect(answers[0]).to.deep.include({ outcome: 'conflict', paths: ['/username'] });
  });

  it('113: requests are read, granted and denied by whoever has a permission on the path', async () => {
    const { token } = await user(name('stranger'));
    for (const [event, input] of [
      ['clientRegistry:list', {}],
      ['clientRegistry:open', {}],
      ['clientRegistry:close', {}],
      ['clientRegistry:confirm', { username: 'anna' }],
      ['clientRegistry:deny', { username: 'anna' }],
    ] as const) {
      expect(await outcomeOf(event, input, token), event).to.equal('forbidden');
      expect(await outcomeOf(event, input, null), event).to.equal('unauthenticated');
    }
  });

  it('nobody grants what he has not', async () => {
    await open();
    const operating = [{ resource: '/api/client-registry/#', operation: 'readWrite', context: 'http' }];
    const { token } = await user(name('operator'), { initialPermissions: operating });
    const username = name('device');
    await register(username);
    const { body } = await call('roles:list', { name: 'registry-admin' });
    const [{ id } = { id: '' }] = body['roles'] as { id: string }[];
    const everything = [{ resource: '/#', operation: 'read', context: 'http' }];
    for (const more of [{ roles: [id] }, { initialPermissions: everything }, { roles: [roleId] }])
      expect(await outcomeOf('clientRegistry:confirm', { username, ...more }, token)).to.equal('forbidden');
    expect(await listed(username)).to.include({ granted: false });
    expect(await outcomeOf('clientRegistry:confirm', { username }, token)).to.equal('ok');
  });

  it('of two who confirm at once one wins, and one user is made', async () => {
    await open();
    const username = name('device');
    await register(username);
    const outcomes = await Promise.all([confirm(username), confirm(username), confirm(username)]);
    expect(outcomes.map(({ outcome }) => outcome).sort()).to.deep.equal(['conflict', 'conflict', 'ok']);
  });

  it('of granting and denying at once one wins', async () => {
    await open();
    for (let round = 0; round < 4; round += 1) {
      const username = name('device');
      await register(username);
      const [granted, denied] = await Promise.all([
        confirm(username).then(({ outcome }) => outcome),
        outcomeOf('clientRegistry:deny', { username }),
      ]);
      expect(
        [granted, denied].filter((outcome) => outcome === 'ok'),
        `${granted}, ${denied}`,
      ).to.have.lengthOf(1);
      const { body } = await call('users:list', { usernames: [username] });
      expect(body['users']).to.have.lengthOf(granted === 'ok' ? 1 : 0);
    }
  });

  it('a request that is denied is forgotten, and may be made again; one that was granted is not denied', async () => {
    await open();
    const username = name('device');
    expect(await outcomeOf('clientRegistry:deny', { username })).to.equal('not-found');
    await register(username);
    expect(await outcomeOf('clientRegistry:deny', { username })).to.equal('ok');
    expect(await listed(username)).to.equal(undefined);
    expect(await stateOf(username, { password: 'another' })).to.equal('pending');
    expect((await confirm(username)).outcome).to.equal('ok');
    expect(await outcomeOf('clientRegistry:deny', { username })).to.equal('conflict');
  });

  it('many who ask for the same name at once make one request', async () => {
    await open();
    const username = name('device');
    const states = await Promise.all([1, 2, 3, 4, 5, 6].map((one) => stateOf(username, { password: `password ${one}` })));
    expect(states.sort()).to.deep.equal([...Array<string>(5).fill('conflict'), 'pending']);
  });

  it('guessing the password of a request is banned after a while, and harms nobody else', async () => {
    await open();
    const username = name('device');
    await register(username);
    for (let round = 0; round < 10; round += 1) await register(username, { password: `guess ${round}` });
    expect((await register(username, { password: 'guess' })).outcome).to.equal('banned');
    expect(await stateOf(name('device'))).to.equal('pending');
  });

  it('a user who was removed before his request was fetched leaves nothing behind', async () => {
    await open();
    const username = name('device');
    await register(username);
    const { body } = await confirm(username);
    expect(await outcomeOf('users:delete', { id: body['id'] })).to.equal('ok');
    expect(await listed(username)).to.equal(undefined);
    expect(await stateOf(username)).to.equal('pending');
  });

  it('who may read the requests is told of one, and who asked is told when it is granted', async () => {
    await open();
    const reading = [{ resource: '/api/client-registry', operation: 'read', context: 'http' }];
    const { token } = await user(name('reader'), { initialPermissions: reading });
    const [stranger, reader, other] = await Promise.all([
      connectRaw(ground.url()),
      connectRaw(ground.url()),
      connectRaw(ground.url()),
    ]);
    reader.socket.emit('identity', { token, auto_set_online: false });
    await until(() => reader.got('ready').length > 0);
    const username = name('device');
    expect(await stranger.ask('clientRegistry:register', { username, password: 'secret1' })).to.deep.equal({ state: 'pending' });
    await until(
      () => reader.got('clientRegistry:requested').length === 1 && stranger.got('clientRegistry:requested').length === 1,
    );
    expect(reader.got('clientRegistry:requested')[0]).to.deep.equal(await listed(username));
    await other.ask('clientRegistry:register', { username, password: 'another' });
    await confirm(username);
    await until(() => reader.got('clientRegistry:granted').length === 1 && stranger.got('clientRegistry:granted').length === 1);
    expect(stranger.got('clientRegistry:granted')).to.deep.equal([{ username }]);
    expect(other.got('clientRegistry:granted')).to.deep.equal([]);
    for (const raw of [stranger, reader, other]) raw.close();
  });
});

overBothSurfaces('requests for certificates (access control reference, 8, vectors 103 to 108)', (ground) => {
  const { call, name } = ground;
  const { register, stateOf, confirm, listed, open } = asking(ground);
  let openssl: Openssl;
  let roleId = '';
  before(async function () {
    openssl = await openOpenssl(this);
    await open(3_600_000);
    roleId = String((await call('roles:create', { name: 'plant' })).body['id']);
  });
  after(() => openssl.remove());

  it('103: the CN has to be the username', async () => {
    const username = 'iot.device.0123456';
    const csr = base64(await makeRequest(openssl, 'r2d2', '/CN=R2D2/O=Robots Inc.', 'rsa:2048'));
    const { outcome, body, paths } = await register(username, { password: 'secret1', csr });
    expect({ outcome, paths }).to.deep.equal({ outcome: 'invalid-input', paths: ['/csr'] });
    expect(body['error']).to.include('CN').and.include('username').and.include('R2D2');
  });

  for (const [kind, key] of [
    ['RSA 2048', 'rsa:2048'],
    ['P-256', 'ec -pkeyopt ec_paramgen_curve:P-256'],
    ['P-384', 'ec -pkeyopt ec_paramgen_curve:P-384'],
  ] as const) {
    it(`104, 105, 106, 108: a device with a key of ${kind} gets a certificate when it was confirmed`, async () => {
      const username = name('device');
      await openssl.run(
        `req -new -newkey ${key} -nodes -keyout $${username}.key -out $${username}.csr -addext basicConstraints=CA:TRUE -addext extendedKeyUsage=serverAuth -addext subjectAltName=DNS:evil -subj`,
        `/CN=${username}/O=Robots Inc.`,
      );
      const csr = base64(await openssl.read(`${username}.csr`));
      const asked = { csr: (csr.match(/.{1,76}/g) ?? []).join('\n'), password: 'secret1', roles: ['registry-admin'] };
      expect(await stateOf(username, asked)).to.equal('pending');
      expect(await listed(username)).to.include({ credentialType: 'certificate', granted: false });
      expect(await stateOf(username, { password: 'secret1' })).to.equal('conflict');
      const { body } = await confirm(username, { roles: [roleId] });
      expect(body['grantTypes']).to.deep.equal([{ method: 'certificate', isRequired: true }]);
      expect((body['roles'] as { id: string }[]).map(({ id }) => id)).to.deep.equal([roleId]);

      const told = await register(username, { csr });
      expect(told.body['state']).to.equal('granted');
      expect(told.body['certificate']).to.match(/^[A-Za-z0-9+/]+=*$/);
      const pem = fromBase64(told.body['certificate']);
      const certificate = new X509Certificate(pem);
      const [bound] = body['certificates'] as { fingerprint: string; expiresAt: string }[];
      expect(bound?.fingerprint).to.equal(certificate.fingerprint256);
      expect(Date.parse(bound?.expiresAt ?? '')).to.equal(Date.parse(certificate.validTo));
      const publicKey = await openssl.run(`pkey -in $${username}.key -pubout`);
      expect(certificate.publicKey.equals(createPublicKey(publicKey))).to.equal(true);
      expect(certificate.subject).to.equal(`CN=${username}`);
      expect(Date.parse(certificate.validTo) - Date.parse(certificate.validFrom)).to.equal(365 * 86_400_000);

      await openssl.write('client.crt', pem);
      const [own] = (await call('certificates:list')).body['certificates'] as { id: string }[];
      await openssl.write('ca.crt', String((await call('certificates:content', { id: own?.id })).body['pem']));
      expect(await openssl.run('verify -x509_strict -purpose sslclient -CAfile $ca.crt $client.crt')).to.include('OK');
      const text = await openssl.run('x509 -in $client.crt -noout -text');
      expect(text)
        .to.match(/CA:FALSE/)
        .and.match(/TLS Web Client Authentication/)
        .and.match(/ecdsa-with-SHA256/);
      expect(text).to.not.match(/evil|TLS Web Server|Robots|sha1/i);
      const serial = (await openssl.run('x509 -in $client.crt -noout -serial')).trim().replace('serial=', '');
      expect(serial.length).to.be.within(28, 32);
    });
  }

  it('107: a request that is not its own key’s, weak, odd or rubbish is refused', async () => {
    const username = 'odd.device';
    const of = async (key: string, file = 'odd', subject = `/CN=${username}`): Promise<string> =>
      base64(await makeRequest(openssl, file, subject, key));
    const good = await makeRequest(openssl, 'good', `/CN=${username}`);
    const der = Buffer.from(good.replaceAll(/-----.*-----|\s/g, ''), 'base64');
    const pemOf = (bytes: Buffer, label = 'CERTIFICATE REQUEST'): string =>
      base64(`-----BEGIN ${label}-----\n${bytes.toString('base64')}\n-----END ${label}-----\n`);
    const broken = Buffer.from(der);
    broken[broken.length - 5] = (broken.at(-5) ?? 0) ^ 1;
    const otherKey = Buffer.from(der);
    const at = otherKey.length - 120;
    otherKey[at] = (otherKey[at] ?? 0) ^ 1;
    const refused: Record<string, string> = {
      'a broken signature': pemOf(broken),
      'another byte': pemOf(otherKey),
      'RSA of 1024 bits': await of('rsa:1024'),
      'P-521': await of('ec -pkeyopt ec_paramgen_curve:P-521'),
      secp256k1: await of('ec -pkeyopt ec_paramgen_curve:secp256k1'),
      'explicit parameters': await of('ec -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:explicit'),
      Ed25519: await of('ed25519'),
      'RSA for PSS alone': await of('rsa-pss -pkeyopt rsa_keygen_bits:2048'),
      'no CN': await of('ec -pkeyopt ec_paramgen_curve:P-256', 'none', '/O=x'),
      'two CNs': await of('ec -pkeyopt ec_paramgen_curve:P-256', 'two', `/CN=${username}/CN=admin`),
      'a CN in another case': await of('ec -pkeyopt ec_paramgen_curve:P-256', 'case', '/CN=ODD.device'),
      'a certificate': pemOf(der, 'CERTIFICATE'),
      'two requests': base64(good + good),
      'a private key': base64(await openssl.read('good.key')),
      'half a request': pemOf(der.subarray(0, der.length / 2)),
      garbage: base64('garbage'),
      'no base64': '%%%',
      nothing: '',
      depth: pemOf(Buffer.alloc(9_000, Buffer.from([0x30, 0x80]))),
      'many nodes': pemOf(Buffer.concat([Buffer.from([0x30, 0x82, 0x3a, 0x98]), Buffer.alloc(15_000, Buffer.from([5, 0]))])),
      'a huge length': pemOf(Buffer.from([0x30, 0x84, 0x7f, 0xff, 0xff, 0xff, 1, 2, 3])),
    };
    for (const [what, csr] of Object.entries(refused)) {
      const { outcome, body } = await register(username, { csr });
      expect(outcome, `${what}: ${JSON.stringify(body)}`).to.equal('invalid-input');
    }
    expect(await listed(username)).to.equal(undefined);
    expect(await stateOf(username, { csr: good })).to.equal('pending');
  });

  it('asking again takes the same key, in a request of any form', async () => {
    const username = name('device');
    const csr = await makeRequest(openssl, username);
    expect(await stateOf(username, { csr: base64(csr) })).to.equal('pending');
    const again = await openssl.run(`req -new -key $${username}.key -sha384 -subj`, `/O=x/CN=${username}`);
    expect(await stateOf(username, { csr: base64(again) })).to.equal('pending');
    expect(await stateOf(username, { csr })).to.equal('pending');
    const der = csr.replaceAll(/-----.*-----|\s/g, '');
    expect(await stateOf(username, { csr: der })).to.equal('pending');
    const other = await makeRequest(openssl, 'other', `/CN=${username}`);
    expect(await stateOf(username, { csr: base64(other) })).to.equal('conflict');
  });
});

onBothStores(
  'the client registry over HTTP, to the letter, and through restarts (access control reference, 3.5 and 5.8)',
  (registries) => {
    let ask: Awaited<ReturnType<typeof askHttp>>;
    before(async () => {
      ask = await askHttp(registries);
    });
    const register = (username: string, more: object = { password: 'secret1' }, headers: Record<string, string> = {}) =>
      ask('POST', '/api/client-registry/register', { json: { username, ...more }, headers, asNobody: true });
    const names = async (): Promise<string[]> =>
      ((await ask('GET', '/api/client-registry')).body as { username: string }[]).map(({ username }) => username);

    it('answers 423, 204, 202, 200 and 201', async () => {
      expect(await register('letter@x.y')).to.deep.include({
        status: 423,
        body: { error: 'Locked', status: 423, code: 'LOCKED' },
      });
      expect(await ask('POST', '/api/client-registry/open')).to.include({ status: 204, text: '' });
      expect((await register('letter@x.y')).status).to.equal(202);
      const [view] = (await ask('GET', '/api/client-registry')).body as object[];
      expect(view).to.have.all.keys('timestamp', 'username', 'credentialType', 'roles', 'context', 'permissions', 'granted');
      const confirmed = await ask('POST', '/api/client-registry/confirm', { json: { username: 'letter@x.y' } });
      expect(confirmed).to.include({ status: 200 });
      expect(confirmed.body).to.include({ username: 'letter@x.y', mfa_is_enrolled: false });
      expect(await register('letter@x.y')).to.deep.include({ status: 201, body: {} });
      await register('denied@x.y');
      expect(await ask('DELETE', '/api/client-registry/denied@x.y')).to.include({ status: 204, text: '' });
      expect(await ask('POST', '/api/client-registry/close', { json: {} })).to.include({ status: 204 });
      expect((await register('late')).status).to.equal(423);
      expect((await register('letter@x.y')).status).to.equal(423);
    });

    it('a repeat of the very request that fetched the outcome is told the same', async () => {
      await ask('POST', '/api/client-registry/open');
      await register('repeats');
      await ask('POST', '/api/client-registry/confirm', { json: { username: 'repeats' } });
      const once = { 'idempotency-key': `${'r'.repeat(22)}:7` };
      expect((await register('repeats', { password: 'secret1' }, once)).status).to.equal(201);
      expect((await register('repeats', { password: 'secret1' }, once)).status).to.equal(201);
      expect((await register('repeats')).status).to.equal(409);
      expect((await register('other', { password: 'secret1' }, once)).status).to.equal(202);
    });

    it('a repeated confirmation makes one user and is answered like the first', async () => {
      await ask('POST', '/api/client-registry/open');
      await register('confirmed');
      const confirm = () =>
        ask('POST', '/api/client-registry/confirm', {
          json: { username: 'confirmed' },
          headers: { 'idempotency-key': `${'c'.repeat(22)}:1` },
        });
      const first = await confirm();
      expect(await confirm()).to.deep.equal(first);
      expect((await register('confirmed')).status).to.equal(201);
      expect(await confirm()).to.deep.equal(first);
    });

    it('a restart keeps requests, the time that is left, and no password in clear', async () => {
      await ask('POST', '/api/client-registry/open', { json: { duration: 3_600_000 } });
      await register('kept', { password: 'a secret of kept' });
      let stored = '';
      await ask.restart(() =>
        registries.inspect(async (store) => {
          stored = JSON.stringify(await store.collection('registrations').find({}).toArray());
        }),
      );
      expect(stored)
        .to.include('kept')
        .and.match(/\$2b\$10\$/)
        .and.not.include('a secret of kept');
      expect((await register('kept', { password: 'a secret of kept' })).status).to.equal(202);
      expect((await register('after')).status).to.equal(202);
    });

    it('what is older than a day is gone, and its name is free', async () => {
      await register('old');
      await ask.restart(() =>
        registries.inspect(async (store) => {
          const rows = store.collection('registrations');
          const row = await rows.findOne({ username: 'old' });
          if (row?._rollcall === undefined) throw new Error('no row');
          const expiresAt = new Date(Date.now() - 3_000);
          await rows.replaceOne(
            { _id: row._id },
            { ...row, expiresAt, _rollcall: { ...row._rollcall, rev: row._rollcall.rev + 1 } },
          );
        }),
      );
      expect(await names())
        .to.include('kept')
        .and.not.include('old');
      expect((await ask('POST', '/api/client-registry/confirm', { json: { username: 'old' } })).status).to.equal(404);
      await ask('POST', '/api/client-registry/close');
      expect((await register('old')).status).to.equal(423);
      await ask('POST', '/api/client-registry/open');
      expect((await register('old', { password: 'another' })).status).to.equal(202);
    });

    it('a thousand wait at most; who is known is still answered', async () => {
      await ask('POST', '/api/client-registry/open', { json: { duration: 3_600_000 } });
      await ask.restart(() =>
        registries.inspect(async (store) => {
          const row = { credentialType: 'password' as const, roles: [], permissions: [], context: '', source: 'rest' as const };
          const times = { timestamp: new Date(), expiresAt: new Date(Date.now() + 3_600_000), granted: false };
          const rows = Array.from({ length: 1000 }, (_, index) => {
            const username = `many${index}`;
            return { _id: username, username, loginName: username, ...row, ...times, _rollcall: { rev: 1, shown: 1 } };
          });
          await store.collection('registrations').insertMany(rows);
        }),
      );
      expect(await names()).to.have.length.greaterThan(999);
      expect(await register('too.many')).to.include({ status: 503 });
      expect((await register('kept', { password: 'a secret of kept' })).status).to.equal(202);
    });
  },
);

onTwoNodes('the client registry of two nodes', { adminPassword: 'secret-of-admin' }, (nodes) => {
  it('is open and closed on both, and who asked by the one is told what was granted by the other', async () => {
    const [one = '', other = ''] = nodes.map(({ url }) => url);
    const ask = async (url: string, path: string, body: object, token?: string) => {
      const headers = { 'content-type': 'application/json', ...(token !== undefined && { authorization: `Bearer ${token}` }) };
      const response = await fetch(`${url}/api/${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
      const text = await response.text();
      return { status: response.status, body: (text === '' ? {} : JSON.parse(text)) as Record<string, unknown> };
    };
    const admin = String((await ask(one, 'login', { username: 'admin', password: 'secret-of-admin' })).body['token']);
    const register = (url: string, username: string) => ask(url, 'client-registry/register', { username, password: 'secret1' });
    expect((await register(other, 'early')).status).to.equal(423);
    expect((await ask(one, 'client-registry/open', {}, admin)).status).to.equal(204);
    expect((await register(other, 'anna')).status).to.equal(202);
    expect((await register(one, 'anna')).status).to.equal(202);
    const raw = await connectRaw(other);
    expect(await raw.ask('clientRegistry:register', { username: 'bert', password: 'secret1' })).to.deep.equal({
      state: 'pending',
    });
    const statuses = await Promise.all(
      [one, other].map(async (url) => (await ask(url, 'client-registry/confirm', { username: 'bert' }, admin)).status),
    );
    expect(statuses).to.have.members([200, 409]);
    await until(() => raw.got('clientRegistry:granted').length === 1);
    expect(await raw.ask('clientRegistry:register', { username: 'bert', password: 'secret1' })).to.deep.equal({
      state: 'granted',
    });
    raw.close();
    expect((await ask(other, 'client-registry/close', {}, admin)).status).to.equal(204);
    expect((await register(one, 'late')).status).to.equal(423);
    expect((await register(one, 'anna')).status).to.equal(202);
    expect((await ask(one, 'client-registry/open', { duration: 1000 }, admin)).status).to.equal(204);
    expect((await register(other, 'carl')).status).to.equal(202);
    let count = 0;
    await until(async () => (await register(other, `late${(count += 1)}`)).status === 423);
    const asked = await Promise.all([one, other, one, other].map((url) => register(url, 'dora')));
    expect(new Set(asked.map(({ status }) => status)).size).to.equal(1);
  });
});

onBothStores('who is nobody and tries MQTT (access control reference, 8, vectors 114 and 115)', (registries) => {
  let ask: Awaited<ReturnType<typeof askHttp>>;
  before(async () => {
    ask = await askHttp(registries, { mqttPort: 0, mqttDeniedPublish: 'close' });
  });
  after(() => closeClients());
  const codeOf = (username: string, password = 'secret1'): Promise<unknown> =>
    connectMqtt(ask.mqtt(), { username, password, clientId: `${username}-client` }).then(
      () => 0,
      (error: unknown) => (error as { code?: unknown }).code,
    );
  const listed = async () => (await ask('GET', '/api/client-registry')).body as { username: string; credentialType: string }[];

  it('115: is refused and not recorded while the registry is closed', async () => {
    expect(await codeOf('stranger')).to.equal(4);
    expect(await listed()).to.deep.equal([]);
  });

  it('114: is recorded while it is open, and once somebody has confirmed gets in, but may do nothing', async () => {
    await ask('POST', '/api/client-registry/open', { json: { duration: 60_000 } });
    expect([await codeOf('admin', 'wrong'), await codeOf('ab'), await codeOf('short', 'four')]).to.deep.equal([4, 4, 4]);
    expect(await listed()).to.deep.equal([]);
    expect([await codeOf('pump'), await codeOf('pump'), await codeOf('pump', 'another')]).to.deep.equal([4, 4, 4]);
    expect(await listed()).to.have.lengthOf(1);
    expect((await listed())[0]).to.include({ username: 'pump', credentialType: 'password', granted: false });
    expect((await ask('POST', '/api/client-registry/confirm', { json: { username: 'pump' } })).status).to.equal(200);
    expect(await codeOf('pump', 'another')).to.equal(4);
    const pump = await connectMqtt(ask.mqtt(), { username: 'pump', password: 'secret1', clientId: 'pump' });
    expect(await pump.subscribe('plant/a')).to.deep.equal([128]);
    pump.mqtt.publish('plant/a', 'x');
    await pump.closed();
  });
});
