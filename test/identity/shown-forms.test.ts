import { createHmac } from 'node:crypto';
import { readPem, writePem } from '@rollcall/server/internal/identity/certificates/pem';
import { createLockout } from '@rollcall/server/internal/identity/passwords/lockout';
import { newSeed, stepOf, uriOf } from '@rollcall/server/internal/identity/mfa/totp';
import { createPasswords } from '@rollcall/server/internal/identity/passwords/passwords';
import { expect } from 'chai';
import { URI } from 'otpauth';
import { overBothSurfaces } from './support/suites.ts';

const composed = 'p\u00E4ssw\u00F6rd-1';
const decomposed = composed.normalize('NFD');

overBothSurfaces('names and passwords in other forms', ({ call, user, name }) => {
  const login = async (username: string, password: string) => (await call('session:login', { username, password }, null)).outcome;

  it('finds a user by the name in any case, as it is unique in any case (W11)', async () => {
    const username = name('Mia.Case');
    await user(username);
    for (const one of [username, username.toLowerCase(), username.toUpperCase()]) {
      expect(await login(one, 'secret1'), one).to.equal('ok');
      expect((await call('auth:token', { username: one, password: 'secret1' }, null)).outcome, one).to.equal('ok');
    }
    const again = await call('users:create', { username: username.toUpperCase(), password: 'secret1' });
    expect(again.outcome).to.equal('conflict');
  });

  it('takes a password in any Unicode form of the same characters (W11)', async () => {
    const [one, other] = [name('forms'), name('forms')];
    await user(one, {}, composed);
    await user(other, {}, decomposed);
    for (const username of [one, other])
      for (const password of [composed, decomposed]) expect(await login(username, password)).to.equal('ok');
    expect(await login(one, 'passwo\u0308rd-1')).to.equal('invalid-credentials');
  });
});

describe('proofs in other forms', () => {
  it('still takes a password whose older hash is of the form that was given (W11)', async () => {
    const pepper = 'im-a-pepper';
    const older = createHmac('sha256', pepper).update(decomposed, 'utf8').digest('base64');
    const compared: string[] = [];
    const passwords = createPasswords({
      credentials: {} as never,
      pepper,
      now: () => 0,
      slowHash: {
        parallel: 1,
        hash: (secret) => Promise.resolve(secret),
        compare: (secret, stored) => Promise.resolve(compared.push(secret) > 0 && secret === stored),
      },
    });
    expect(await passwords.compare(older, decomposed)).to.equal(older);
    expect(compared).to.have.length(2);
    expect(await passwords.compare(older, composed)).to.equal(null);
    // As much work for no user at all.
    compared.length = 0;
    expect(await passwords.compare(undefined, decomposed)).to.equal(null);
    expect(compared).to.have.length(2);
  });

  it('takes a code with blanks, as applications show it (W11)', () => {
    const seed = newSeed();
    const code = URI.parse(uriOf(seed, 'Rollcall', 'mia')).generate({ timestamp: 59_000 } as never);
    expect(stepOf(seed, `${code.slice(0, 3)} ${code.slice(3)}`, 59_000)).to.equal(1);
    expect(stepOf(seed, ` ${code}\t`, 59_000)).to.equal(1);
    expect(stepOf(seed, `${code.slice(0, 3)}-${code.slice(3)}`, 59_000)).to.equal(null);
  });

  it('reads PEM with byte order marks (W11)', () => {
    const one = writePem('CERTIFICATE', Buffer.from('one'));
    const blocks = readPem(`\uFEFF${one}\uFEFF${one}`, '/pem');
    expect(blocks.map(({ bytes }) => bytes.toString())).to.deep.equal(['one', 'one']);
    expect(() => readPem('\uFEFF-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----', '/pem')).to.throw();
  });

  it('locks out no user for failures of others, who has a second factor or has come from that address before (S6)', () => {
    const lockout = createLockout(() => 0);
    const address = '192.0.2.1';
    lockout.succeed('admin', address);
    for (let failures = 0; failures < 200; failures += 1) lockout.fail(`other${failures}`, address);
    expect(() => lockout.check('stranger', address)).to.throw();
    expect(() => lockout.check('admin', address)).not.to.throw();
    expect(() => lockout.check('enrolled', address, { secondFactor: true })).not.to.throw();
    // Failures of the name itself count as ever.
    for (let failures = 0; failures < 10; failures += 1) lockout.fail('admin', address);
    expect(() => lockout.check('admin', address)).to.throw();
    expect(() => lockout.check('admin', '192.0.2.2')).not.to.throw();
    // Administrators get more tries, but not without end.
    const isAdministrator = true;
    expect(() => lockout.check('admin', address, { isAdministrator })).not.to.throw();
    for (let failures = 0; failures < 10; failures += 1) lockout.fail('boss', address);
    expect(() => lockout.check('boss', address, { isAdministrator })).to.throw();
    expect(() => lockout.check('boss', address, { isAdministrator, secondFactor: true })).not.to.throw();
    for (let failures = 0; failures < 90; failures += 1) lockout.fail('admin', address);
    expect(() => lockout.check('admin', address, { isAdministrator })).to.throw();
  });
});
