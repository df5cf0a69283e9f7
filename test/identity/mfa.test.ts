import { expect } from 'chai';
import { connectAs, connectRaw, register } from '../support/meshblu.ts';
import { until } from '../support/until.ts';
import { authenticatorOf, backupCodesOf, earlyInStep } from './support/authenticator.ts';
import { overBothSurfaces, type Ground } from './support/suites.ts';

const hourMs = 3_600_000;

/** Users with and without a second factor. */
const peopleOf = ({ call, user, name }: Ground) => {
  const shows = async (token: string): Promise<string> => String((await call('mfa:enable', {}, token)).body['uri']);
  /** Enrols with the code of the step before, so that those of now and of the next one are left. */
  const enrol = async (token: string) => {
    await earlyInStep();
    const device = authenticatorOf(await shows(token));
    const { outcome, body } = await call('mfa:validate', { otp: device.code(-1) }, token);
    expect(outcome).to.equal('ok');
    return { device, backupCodes: backupCodesOf(body) };
  };
  const password = (username: string, more: Record<string, unknown> = {}) =>
    call('session:login', { username, password: 'secret1', ...more }, null);
  const challenge = async (username: string): Promise<string> => String((await password(username)).body['secret']);
  return {
    shows,
    enrol,
    password,
    challenge,
    async enrolled(prefix = 'mia', more: Record<string, unknown> = {}) {
      const username = name(prefix);
      const made = await user(username, more);
      return { username, ...made, ...(await enrol(made.token)) };
    },
    /** Shows a code for a fresh challenge. */
    finish: async (username: string, code: Record<string, unknown>, secret?: string) =>
      call('mfa:login', { username, secret: secret ?? (await challenge(username)), ...code }, null),
  };
};

overBothSurfaces('multi-factor authentication (access control reference, 8, vectors 74 to 94)', (ground) => {
  const { call, user, name, url } = ground;
  const { shows, enrol, password, challenge, enrolled, finish } = peopleOf(ground);
  const outcomeOf = async (...asked: Parameters<typeof call>): Promise<string> => (await call(...asked)).outcome;
  const mfaOf = async (token: string): Promise<unknown> => (await call('session:get', {}, token)).body['mfa'];

  it('74, 75: enabling gives a URI, and changes nothing until a code was shown', async () => {
    const username = name('begins');
    const { token } = await user(username);
    const uri = await shows(token);
    expect(uri).to.match(
      new RegExp(`^otpauth://totp/Rollcall:${username}\\?issuer=Rollcall&secret=[A-Z2-7]{32}&algorithm=SHA1&digits=6&period=30$`),
    );
    expect(authenticatorOf(uri).totp).to.include({ digits: 6, period: 30, algorithm: 'SHA1', label: username });
    expect(await mfaOf(token)).to.deep.equal({ enabled: false, enforced: false });
    expect((await password(username)).body)
      .to.include({ needsMfa: false })
      .and.to.include.keys('token');
    const again = await shows(token);
    expect(again).to.not.equal(uri);
    expect(await outcomeOf('mfa:validate', { otp: authenticatorOf(uri).code() }, token)).to.equal('invalid-input');
    expect(await outcomeOf('mfa:validate', { otp: authenticatorOf(again).code() }, token)).to.equal('ok');
  });

  it('76, 77, 78: a first right code turns it on, and shows ten backup codes', async () => {
    const { id, token } = await user(name('validates'));
    expect(await outcomeOf('mfa:validate', { otp: '123456' }, token)).to.equal('conflict');
    const device = authenticatorOf(await shows(token));
    expect(await outcomeOf('mfa:validate', { otp: device.wrong() }, token)).to.equal('invalid-input');
    expect((await call('users:get', { id })).body).to.include({ mfaIsEnrolled: false });
    const { outcome, body } = await call('mfa:validate', { otp: device.code() }, token);
    expect(outcome).to.equal('ok');
    backupCodesOf(body);
    expect((await call('users:get', { id })).body).to.include({ mfaIsEnrolled: true, enforceMFAEnrollment: false });
    expect(await mfaOf(token)).to.deep.equal({ enabled: true, enforced: false });
    expect(await outcomeOf('mfa:enable', {}, token)).to.equal('conflict');
    expect(await outcomeOf('mfa:validate', { otp: device.code(1) }, token)).to.equal('conflict');
  });

  it('79, 80, 81, 82: a login takes a code, once, for a challenge, once', async () => {
    const { username, device } = await enrolled('mia', {
      initialPermissions: [{ resource: '/x', operation: 'read', context: 'http' }],
    });
    const first = await password(username, { expireTimeInHours: 2, label: 'phone' });
    expect(first.outcome).to.equal('ok');
    expect(first.body).to.deep.include({ needsMfa: true, permissions: [], enforceMFAEnrollment: false });
    expect(first.body).to.include.keys('secret').and.to.not.have.any.keys('token', 'expiresAt');
    const secret = String(first.body['secret']);
    const otp = device.code();
    const { outcome, body } = await finish(username, { otp }, secret);
    expect(outcome).to.equal('ok');
    expect(body).to.include({ needsMfa: false, enforceMFAEnrollment: false }).and.to.not.have.any.keys('secret');
    expect((body['permissions'] as { resource: string }[]).map(({ resource }) => resource)).to.deep.equal(['/x']);
    expect(Date.parse(String(body['expiresAt'])) - Date.now()).to.be.within(2 * hourMs - 60_000, 2 * hourMs + 1_000);
    const token = String(body['token']);
    expect((await call('session:get', {}, token)).body).to.include({ username });
    expect((await finish(username, { otp })).outcome).to.equal('invalid-credentials');
    expect((await finish(username, { otp: device.code(1) }, secret)).outcome).to.equal('invalid-credentials');
    expect((await finish(username, { otp: device.code(1) })).outcome).to.equal('ok');
  });

  it('83: a backup code is good for one login, however it is typed', async () => {
    const { username, backupCodes } = await enrolled();
    const [one = '', two = ''] = backupCodes;
    expect((await finish(username, { backupCode: one })).outcome).to.equal('ok');
    expect((await finish(username, { backupCode: one })).outcome).to.equal('invalid-credentials');
    expect((await finish(username, { backupCode: ` ${two.toUpperCase().replaceAll('-', ' ')}` })).outcome).to.equal('ok');
  });

  it('84: either a code or a backup code', async () => {
    const { username, token, device, backupCodes } = await enrolled();
    const both = { otp: device.code(), backupCode: backupCodes[0] };
    const secret = await challenge(username);
    for (const code of [both, {}]) {
      expect((await finish(username, code, secret)).outcome).to.equal('invalid-input');
      expect(await outcomeOf('mfa:disable', code, token)).to.equal('invalid-input');
      expect(await outcomeOf('mfa:regenerateBackupCodes', code, token)).to.equal('invalid-input');
    }
    expect((await finish(username, { otp: 123456 }, secret)).outcome).to.equal('invalid-input');
    expect((await finish(username, { otp: device.code() }, secret)).outcome).to.equal('ok');
  });

  it('85: a challenge is for the user who got it', async () => {
    const [mia, bert] = [await enrolled(), await enrolled('bert')];
    const secret = await challenge(mia.username);
    expect((await finish(bert.username, { otp: bert.device.code() }, secret)).outcome).to.equal('invalid-credentials');
    expect((await finish(mia.username, { otp: bert.device.code() }, secret)).outcome).to.equal('invalid-credentials');
    expect((await finish(mia.username, { otp: mia.device.code() }, 'made-up')).outcome).to.equal('invalid-credentials');
    expect((await finish(mia.username, { otp: mia.device.code() }, secret)).outcome).to.equal('ok');
  });

  it('86: the code of the step before is right, one that is older is not', async () => {
    await earlyInStep();
    const username = name('late');
    const { token } = await user(username);
    const device = authenticatorOf(await shows(token));
    expect(await outcomeOf('mfa:validate', { otp: device.code(-3) }, token)).to.equal('invalid-input');
    expect(await outcomeOf('mfa:validate', { otp: device.code(-1) }, token)).to.equal('ok');
    expect((await finish(username, { otp: device.code(-3) })).outcome).to.equal('invalid-credentials');
    expect((await finish(username, { otp: device.code(-1) })).outcome).to.equal('invalid-credentials');
    expect((await finish(username, { otp: device.code(3) })).outcome).to.equal('invalid-credentials');
    expect((await finish(username, { otp: device.code(1) })).outcome).to.equal('ok');
    expect((await finish(username, { otp: device.code() })).outcome).to.equal('invalid-credentials');
  });

  it('87: after five wrong codes none is looked at for a while, wherever they were shown', async () => {
    const { username, token, device, backupCodes } = await enrolled();
    const otp = device.wrong();
    const secret = await challenge(username);
    expect(await outcomeOf('mfa:disable', { otp }, token)).to.equal('invalid-credentials');
    expect(await outcomeOf('mfa:regenerateBackupCodes', { otp }, token)).to.equal('invalid-credentials');
    for (let count = 0; count < 3; count += 1)
      expect((await finish(username, { otp }, secret)).outcome).to.equal('invalid-credentials');
    const right = { otp: device.code() };
    expect((await finish(username, right, secret)).outcome).to.equal('banned');
    expect((await finish(username, { backupCode: backupCodes[0] })).outcome).to.equal('banned');
    expect(await outcomeOf('mfa:disable', right, token)).to.equal('banned');
    expect(await outcomeOf('mfa:regenerateBackupCodes', right, token)).to.equal('banned');
    const answer = await fetch(`${url()}/api/mfa/disable`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(right),
    });
    expect(answer.status).to.equal(429);
    expect(Number(answer.headers.get('retry-after'))).to.be.within(890, 900);
    expect(((await answer.json()) as { code: string }).code).to.equal('BANNED');
    expect(await outcomeOf('session:get', {}, token)).to.equal('ok');
  });

  it('five wrong codes for one challenge end it, and a right code forgets the wrong ones', async () => {
    const { username, device, backupCodes } = await enrolled();
    const otp = device.wrong();
    for (let count = 0; count < 4; count += 1) expect((await finish(username, { otp })).outcome).to.equal('invalid-credentials');
    expect((await finish(username, { otp: device.code() })).outcome).to.equal('ok');
    for (let count = 0; count < 4; count += 1) expect((await finish(username, { otp })).outcome).to.equal('invalid-credentials');
    expect((await finish(username, { backupCode: backupCodes[0] })).outcome).to.equal('ok');
    const secret = await challenge(username);
    for (let count = 0; count < 4; count += 1)
      expect((await finish(username, { otp }, secret)).outcome).to.equal('invalid-credentials');
    expect((await finish(username, { backupCode: backupCodes[1] })).outcome).to.equal('ok');
    expect((await finish(username, { otp }, secret)).outcome).to.equal('invalid-credentials');
    expect((await finish(username, { backupCode: backupCodes[2] }, secret)).outcome).to.equal('invalid-credentials');
    expect((await finish(username, { backupCode: backupCodes[2] })).outcome).to.equal('ok');
  });

  it('88: other backup codes take the place of all there are', async () => {
    const { username, token, device, backupCodes } = await enrolled();
    const { outcome, body } = await call('mfa:regenerateBackupCodes', { otp: device.code() }, token);
    expect(outcome).to.equal('ok');
    const fresh = backupCodesOf(body);
    expect(fresh).to.not.have.any.members([...backupCodes]);
    expect((await finish(username, { backupCode: backupCodes[0] })).outcome).to.equal('invalid-credentials');
    expect((await finish(username, { backupCode: fresh[0] })).outcome).to.equal('ok');
    const again = await call('mfa:regenerateBackupCodes', { backupCode: fresh[1] }, token);
    expect((await finish(username, { backupCode: backupCodesOf(again.body)[0] })).outcome).to.equal('ok');
  });

  it('89: disabled with a backup code, a login is as it was before', async () => {
    const { username, token, backupCodes, id } = await enrolled();
    const secret = await challenge(username);
    expect(await outcomeOf('mfa:disable', { backupCode: backupCodes[0] }, token)).to.equal('ok');
    expect((await password(username)).body)
      .to.include({ needsMfa: false })
      .and.to.include.keys('token');
    expect((await call('users:get', { id })).body).to.include({ mfaIsEnrolled: false });
    expect((await finish(username, { backupCode: backupCodes[1] }, secret)).outcome).to.equal('invalid-credentials');
    expect(await outcomeOf('mfa:disable', { backupCode: backupCodes[1] }, token)).to.equal('conflict');
    expect(await outcomeOf('mfa:regenerateBackupCodes', { backupCode: backupCodes[1] }, token)).to.equal('conflict');
    await enrol(token);
  });

  it('90: whoever must have a second factor cannot give it up', async () => {
    const { id, token, device } = await enrolled();
    expect((await call('users:update', { id, enforceMFAEnrollment: true })).body).to.include({ enforceMFAEnrollment: true });
    expect(await mfaOf(token)).to.deep.equal({ enabled: true, enforced: true });
    for (let count = 0; count < 6; count += 1)
      expect(await outcomeOf('mfa:disable', { otp: device.wrong() }, token)).to.equal('forbidden');
    expect(await outcomeOf('users:update', { id, enforceMFAEnrollment: false })).to.equal('ok');
    expect(await outcomeOf('mfa:disable', { otp: device.code() }, token)).to.equal('ok');
  });

  it('91: whoever must enrol gets a token for just that, which becomes a full one', async () => {
    const username = name('must');
    const reading = [{ resource: '/api/listUsers', operation: 'read', context: 'http' }];
    const made = await call('users:create', {
      username,
      password: 'secret1',
      initialPermissions: reading,
      enforceMFAEnrollment: true,
    });
    const id = String(made.body['id']);
    expect(made.body).to.include({ enforceMFAEnrollment: true, mfaIsEnrolled: false });
    const { outcome, body } = await password(username, { expireTimeInHours: 48 });
    expect(outcome).to.equal('ok');
    expect(body).to.deep.include({ needsMfa: false, enforceMFAEnrollment: true, permissions: [] });
    expect(Date.parse(String(body['expiresAt'])) - Date.now()).to.be.within(800_000, 901_000);
    const token = String(body['token']);
    expect(await outcomeOf('users:list', {}, token)).to.equal('mfa-enrollment-required');
    expect(await outcomeOf('users:listTokens', { id }, token)).to.equal('ok');
    expect(await outcomeOf('passwordPolicy:get', {}, token)).to.equal('ok');
    expect(await mfaOf(token)).to.deep.equal({ enabled: false, enforced: true });
    for (const [event, input] of [
      ['users:get', { id }],
      ['generateAndStoreToken', { uuid: id }],
      ['update', { uuid: id, x: 1 }],
      ['devices', {}],
      ['message', { devices: [id], payload: 1 }],
    ] as const) {
      expect(['forbidden', 'mfa-enrollment-required'], event).to.include(await outcomeOf(event, input, token));
    }
    await enrol(token);
    expect(await outcomeOf('users:list', {}, token)).to.equal('ok');
    const session = (await call('session:get', {}, token)).body;
    expect(Date.parse(String(session['expiresAt'])) - Date.now()).to.be.within(48 * hourMs - 60_000, 48 * hourMs + 1_000);
    expect(session['permissions']).to.have.length(1);
    expect(await outcomeOf('generateAndStoreToken', { uuid: id }, token)).to.equal('ok');
  });

  it('92: an administrator takes a second factor away, and its backup codes die with it', async () => {
    const { id, username, token, backupCodes } = await enrolled();
    expect((await call('users:update', { id, disableMfa: false })).body).to.include({ mfaIsEnrolled: true });
    expect((await call('users:update', { id, disableMfa: true })).body).to.include({ mfaIsEnrolled: false });
    expect((await password(username)).body).to.include.keys('token');
    const device = authenticatorOf(await shows(token));
    expect(await outcomeOf('mfa:validate', { otp: device.code() }, token)).to.equal('ok');
    expect((await finish(username, { backupCode: backupCodes[0] })).outcome).to.equal('invalid-credentials');
  });

  it('93, invariant 8: no door opens for a password alone', async () => {
    const { username, id } = await enrolled();
    const held = name('held');
    const { id: heldId } = await user(held);
    await call('users:update', { id: heldId, enforceMFAEnrollment: true });
    for (const who of [username, held]) {
      const pair = await call('auth:token', { username: who, password: 'secret1' }, null);
      expect([pair.outcome, pair.body['token']]).to.deep.equal(['mfa-required', undefined]);
      const basic = { authorization: `Basic ${Buffer.from(`${who}:secret1`).toString('base64')}` };
      for (const path of ['/api/session', '/live', '/v2/whoami', `/api/users/${id}/tokens`])
        expect((await fetch(url() + path, { headers: basic })).status, path).to.equal(401);
      expect((await fetch(`${url()}/api/client`, { headers: basic, redirect: 'manual' })).ok).to.equal(false);
    }
    const raw = await connectRaw(url());
    raw.socket.emit('identity', { uuid: username, token: 'secret1' });
    await until(() => raw.got('notReady').length > 0);
    raw.close();
  });

  it('whoever may not do all that a user may cannot take his second factor away', async () => {
    const { id } = await enrolled('victim', { initialPermissions: [{ resource: '/y', operation: 'read', context: 'http' }] });
    const { token } = await user(name('clerk'), {
      initialPermissions: [{ resource: '/api/users/#', operation: 'readWrite', context: 'http' }],
    });
    expect(await outcomeOf('users:update', { id, disableMfa: true }, token)).to.equal('forbidden');
    expect(await outcomeOf('users:update', { id, enforceMFAEnrollment: false }, token)).to.equal('forbidden');
    expect(await outcomeOf('users:update', { id, enforceMFAEnrollment: true }, token)).to.equal('ok');
    expect((await call('users:get', { id })).body).to.include({ mfaIsEnrolled: true });
  });

  it('a changed password voids the challenges that the old one got', async () => {
    const { username, token, device } = await enrolled();
    const secret = await challenge(username);
    const change = { password: 'secret1', newPassword: 'secret2' };
    expect(await outcomeOf('users:changePassword', change, token)).to.equal('ok');
    expect((await finish(username, { otp: device.code() }, secret)).outcome).to.equal('invalid-credentials');
  });

  it('of many that show the same code, backup code or challenge at once exactly one comes in', async () => {
    const { username, device, backupCodes } = await enrolled();
    const wins = async (attempts: readonly Promise<{ readonly outcome: string }>[]): Promise<number> => {
      const outcomes = (await Promise.all(attempts)).map(({ outcome }) => outcome);
      expect(outcomes.filter((outcome) => !['ok', 'invalid-credentials', 'banned'].includes(outcome))).to.deep.equal([]);
      return outcomes.filter((outcome) => outcome === 'ok').length;
    };
    const [one, two, ...rest] = backupCodes;
    const secrets = await Promise.all([1, 2, 3, 4].map(() => challenge(username)));
    const otp = device.code();
    expect(await wins(secrets.map((secret) => finish(username, { otp }, secret)))).to.equal(1);
    expect((await finish(username, { backupCode: one })).outcome).to.equal('ok');
    const others = await Promise.all([1, 2, 3, 4].map(() => challenge(username)));
    expect(await wins(others.map((secret) => finish(username, { backupCode: two }, secret)))).to.equal(1);
    expect((await finish(username, { backupCode: rest[0] })).outcome).to.equal('ok');
    const secret = await challenge(username);
    expect(await wins(rest.slice(1, 5).map((backupCode) => finish(username, { backupCode }, secret)))).to.equal(1);
  });

  it('however many wrong codes come at once, no more than five are looked at', async () => {
    const { username, token, device, backupCodes } = await enrolled();
    const shown = [...Array.from({ length: 9 }, () => ({ otp: device.wrong() })), { backupCode: backupCodes[0] }];
    const outcomes = await Promise.all(shown.map((code) => call('mfa:regenerateBackupCodes', code, token)));
    expect(outcomes.filter(({ outcome }) => outcome === 'invalid-credentials').length).to.be.at.most(5);
    expect((await finish(username, { otp: device.code() })).outcome).to.be.oneOf(['banned', 'ok']);
  });

  it('a socket that came to enrol hears nothing, and after enrolling everything, without coming again', async () => {
    const username = name('socket');
    const { id } = (await call('users:create', { username, password: 'secret1', enforceMFAEnrollment: true })).body;
    const token = String((await password(username)).body['token']);
    const raw = await connectRaw(url());
    raw.socket.emit('identity', { token });
    await until(() => raw.got('ready').length > 0);
    expect(await raw.ask('whoami', {}, {})).to.include({ code: 'mfa-enrollment-required' });
    await call('update', { uuid: id, n: 1 });
    // What is told later is told after it.
    const lamp = await connectAs(url(), await register(url()));
    await lamp.ask('update', { uuid: lamp.uuid, n: 1 });
    await until(() => lamp.got('config').length > 0);
    lamp.close();
    await enrol(token);
    await until(async () => (await raw.ask<{ uuid?: string }>('whoami', {}, {})).uuid === id);
    await until(async () => {
      await call('update', { uuid: id, n: 2 });
      return raw.got('config').length > 0;
    });
    expect(raw.got('config').map((config) => (config as { n: number }).n)).to.not.include(1);
    expect(raw.got('notReady')).to.deep.equal([]);
    raw.close();
  });

  it('nothing that is shown of users has a seed or a hash in it', async () => {
    const { id, token } = await enrolled();
    const seen = JSON.stringify([
      (await call('users:get', { id })).body,
      (await call('session:get', {}, token)).body,
      (await call('users:listTokens', { id }, token)).body,
    ]);
    expect(seen).to.not.match(/seed|lastStep|backupCodes|codesTried|enforceMfa"/);
  });
});

overBothSurfaces(
  'multi-factor authentication that is switched off (vector 94)',
  ({ call, user, name }) => {
    it('cannot be enabled or demanded', async () => {
      const username = name('off');
      const { id, token } = await user(username);
      expect((await call('mfa:enable', {}, token)).outcome).to.equal('not-supported');
      expect((await call('users:update', { id, enforceMFAEnrollment: true })).outcome).to.equal('not-supported');
      const other = { username: name('off'), password: 'secret1', enforceMFAEnrollment: true };
      expect((await call('users:create', other)).outcome).to.equal('not-supported');
    });
  },
  { mfa: false },
);
