import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';
import { RegistryError } from '@rollcall/client/contract';
import { checkSeeds, createSeeds } from '@rollcall/server/internal/identity/mfa/seeds';
import { newSeed, stepOf, uriOf } from '@rollcall/server/internal/identity/mfa/totp';
import { expect } from 'chai';
import { Secret, TOTP } from 'otpauth';
import { onBothEngines } from '../data/support/engines.ts';
import { authenticatorOf } from './support/authenticator.ts';
import { openClocked } from './support/clocked.ts';

const run = promisify(execFile);
const minuteMs = 60_000;
const codeOf = async (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'ok',
    (error: unknown) => (error instanceof RegistryError ? error.code : String(error)),
  );

onBothEngines('multi-factor authentication as time passes', (bench) => {
  const open = async () => {
    const clocked = await openClocked(bench());
    const { mfa, uuid, now, check } = clocked;
    const { totp } = authenticatorOf(await mfa.enable(uuid, null));
    const code = (): string => totp.generate({ timestamp: now() });
    const backupCodes = await mfa.validate(uuid, code(), null);
    const challenge = async (): Promise<string> => {
      const checked = await check();
      if (checked.missingFactor !== 'code') throw new Error(`missing: ${checked.missingFactor}`);
      return mfa.challenge(checked.passwordMatch, { label: '', lifetimeMs: minuteMs });
    };
    const finish = (secret: string, shown: { otp: string } | { backupCode: string } = { otp: code() }) =>
      codeOf(mfa.finish({ username: 'mia', secret, code: shown }, null));
    return { ...clocked, code, backupCodes, challenge, finish, totp };
  };

  it('a challenge is good for five minutes', async () => {
    const { pass, challenge, finish } = await open();
    const [early, late] = [await challenge(), await challenge()];
    pass(5 * minuteMs - 1_000);
    expect(await finish(early)).to.equal('ok');
    pass(minuteMs);
    expect(await finish(late)).to.equal('invalid-credentials');
    expect(await finish(await challenge())).to.equal('ok');
  });

  it('a code is good in its own step and the ones beside it, and once', async () => {
    const { now, pass, challenge, finish, totp } = await open();
    pass(10 * minuteMs);
    const otp = totp.generate({ timestamp: now() });
    for (const [seconds, outcome] of [
      [60, 'invalid-credentials'],
      [-90, 'invalid-credentials'],
      [-30, 'ok'],
      [0, 'ok'],
    ] as const) {
      expect(await finish(await challenge(), { otp: totp.generate({ timestamp: now() + seconds * 1_000 }) })).to.equal(outcome);
    }
    expect(await finish(await challenge(), { otp })).to.equal('invalid-credentials');
    pass(30_000);
    expect(await finish(await challenge(), { otp })).to.equal('invalid-credentials');
    expect(await finish(await challenge())).to.equal('ok');
  });

  it('after five wrong codes no code is looked at for fifteen minutes, which say how long they still are', async () => {
    const { mfa, uuid, pass, code } = await open();
    for (let count = 0; count < 5; count += 1)
      expect(await codeOf(mfa.regenerate(uuid, { otp: '000' }, null))).to.equal('invalid-credentials');
    pass(5 * minuteMs);
    const error: unknown = await mfa.regenerate(uuid, { otp: code() }, null).catch((reason: unknown) => reason);
    expect(error).to.include({ code: 'banned' });
    expect((error as RegistryError).details).to.deep.equal([{ path: '', rule: 'retryAfter', message: '600' }]);
    pass(10 * minuteMs - 1);
    expect(await codeOf(mfa.regenerate(uuid, { otp: code() }, null))).to.equal('banned');
    pass(1);
    expect(await codeOf(mfa.regenerate(uuid, { otp: code() }, null))).to.equal('ok');
  });

  it('wrong codes of long ago are forgotten', async () => {
    const { mfa, uuid, pass } = await open();
    for (let count = 0; count < 12; count += 1) {
      expect(await codeOf(mfa.regenerate(uuid, { otp: '000' }, null))).to.equal('invalid-credentials');
      pass(count % 4 === 3 ? 16 * minuteMs : 0);
    }
  });

  it('a request that is sent again takes effect once, and hands out codes that work', async () => {
    const { mfa, uuid, request, code, pass, challenge, finish, backupCodes } = await open();
    const again = (one: ReturnType<typeof request>, sending: number) => ({ ...one, again: sending });
    pass(minuteMs);
    const regenerating = request();
    const otp = code();
    const first = await mfa.regenerate(uuid, { otp }, regenerating);
    const second = await mfa.regenerate(uuid, { otp }, again(regenerating, 1));
    expect(second).to.not.have.members(first);
    expect(await codeOf(mfa.regenerate(uuid, { otp }, again(regenerating, 1)))).to.equal('outcome-unknown');
    for (const old of [first[0], backupCodes[0]])
      expect(await finish(await challenge(), { backupCode: old ?? '' })).to.equal('invalid-credentials');
    expect(await finish(await challenge(), { backupCode: second[0] ?? '' })).to.equal('ok');

    const disabling = request();
    await mfa.disable(uuid, { backupCode: second[1] ?? '' }, disabling);
    await mfa.disable(uuid, { backupCode: second[1] ?? '' }, again(disabling, 1));

    const enabling = request();
    const uri = await mfa.enable(uuid, enabling);
    expect(await mfa.enable(uuid, again(enabling, 1))).to.equal(uri);
    const device = authenticatorOf(uri);
    const validating = request();
    pass(minuteMs);
    const right = device.totp.generate({ timestamp: Date.now() + 2 * minuteMs });
    await mfa.validate(uuid, right, validating);
    const codes = await mfa.validate(uuid, right, again(validating, 1));
    expect(await finish(await challenge(), { backupCode: codes[0] ?? '' })).to.equal('ok');
    expect(await codeOf(mfa.enable(uuid, again(enabling, 2)))).to.equal('conflict');
  });

  it('a login that is sent again is one login, with the same token', async () => {
    const { mfa, sessions, request, code, pass, challenge, uuid } = await open();
    pass(minuteMs);
    const { actor: _actor, ...numbered } = request();
    const shown = { username: 'mia', secret: await challenge(), code: { otp: code() } };
    const login = async (sending: number) => {
      const { proved, wish, request: own } = await mfa.finish(shown, { ...numbered, again: sending });
      return sessions.open(proved, { ...wish, request: own });
    };
    const first = await login(0);
    expect((await login(1)).token).to.equal(first.token);
    expect(await codeOf(mfa.finish(shown, null))).to.equal('invalid-credentials');
    expect((await sessions.list([uuid])).get(uuid)).to.have.length(1);
    await sessions.close({ uuid, credentialId: first.id, method: 'access' });
    expect(await codeOf(login(2))).to.equal('outcome-unknown');
  });

  it('the token of a login that has still to enrol lives fifteen minutes, and then as long as was asked for', async () => {
    const { check, sessions, pass, now } = await openClocked(bench(), { enforceMfa: true });
    const begin = async (lifetimeMs: number) => {
      const checked = await check();
      if (checked.missingFactor !== 'enrolment') throw new Error(`missing: ${checked.missingFactor}`);
      return sessions.open(checked, { label: '', lifetimeMs, request: null });
    };
    const [short, long, other] = [await begin(5 * minuteMs), await begin(60 * minuteMs), await begin(60 * minuteMs)];
    expect(short.expiresAt.getTime() - now()).to.be.within(4 * minuteMs, 5 * minuteMs);
    expect(long.expiresAt.getTime() - now()).to.equal(15 * minuteMs);
    pass(14 * minuteMs);
    expect(await sessions.verify(short.token)).to.equal(null);
    const actor = await sessions.verify(long.token);
    expect(actor).to.include({ scope: 'enrolment' });
    if (actor === null) return;
    expect(await sessions.mustEnroll(actor)).to.equal(true);
    await sessions.enrolled(actor);
    await sessions.enrolled(actor);
    expect(await sessions.mustEnroll(actor)).to.equal(false);
    pass(2 * minuteMs);
    expect(await sessions.verify(other.token)).to.equal(null);
    expect(await sessions.verify(long.token)).to.not.have.property('scope');
    pass(45 * minuteMs);
    expect(await sessions.verify(long.token)).to.equal(null);
  });

  it('seeds that cannot be opened are said at the start, once, and without them', async () => {
    const { uuid, seeds, principals } = await open();
    const said: unknown[] = [];
    const note = (fields: object, message: string): void => void said.push({ ...fields, message });
    const log = { info: note, warn: note, error: note };
    await checkSeeds(bench().store, seeds, log);
    expect(said).to.deep.equal([]);
    await checkSeeds(bench().store, createSeeds(Buffer.alloc(32, 9)), log);
    expect(said).to.have.length(1);
    expect(said[0]).to.deep.include({ alarm: 'mfa-seeds', tried: 1, lost: 1, users: [uuid] });
    const seed = (await principals.getFresh(uuid))?.mfa?.seed ?? '';
    expect(JSON.stringify(said)).to.not.include(seed);
    expect(() => seeds.open('somebody-else', seed)).to.throw();
  });
});

describe('codes by time (RFC 6238)', () => {
  const seed = Buffer.from('12345678901234567890');

  it('are told by what is read from the URI, in the order of the reference', () => {
    expect(uriOf(seed, 'My Registry', 'mia@example.org')).to.equal(
      'otpauth://totp/My%20Registry:mia%40example.org?issuer=My%20Registry&secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&algorithm=SHA1&digits=6&period=30',
    );
  });

  it('are the last six digits of the vectors of appendix B', () => {
    for (const [seconds, digits] of [
      [59, '94287082'],
      [1111111109, '07081804'],
      [1111111111, '14050471'],
      [1234567890, '89005924'],
      [2000000000, '69279037'],
      [20000000000, '65353130'],
    ] as const) {
      expect(stepOf(seed, digits.slice(2), seconds * 1_000)).to.equal(Math.floor(seconds / 30));
    }
  });

  it('95: have eight digits where that is asked for', () => {
    const secret = new Secret({ buffer: Uint8Array.from(seed).buffer });
    expect(new TOTP({ secret, digits: 8, algorithm: 'SHA1' }).generate({ timestamp: 59_000 })).to.equal('94287082');
  });

  const oathtool = spawnSync('oathtool', ['--version']).status === 0;
  const missing = oathtool ? '' : ' (skipped: oathtool is not installed)';
  (oathtool ? it : it.skip)(`are those that oathtool tells from the same secret${missing}`, async () => {
    for (const seconds of [0, 59, 1_700_000_000, 20_000_000_000]) {
      const mine = newSeed();
      const { totp } = authenticatorOf(uriOf(mine, 'Rollcall', 'mia'));
      const at = `${new Date(seconds * 1_000).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
      const { stdout } = await run('oathtool', ['--totp', '--base32', '--now', at, totp.secret.base32]);
      expect(stepOf(mine, stdout.trim(), seconds * 1_000)).to.equal(Math.floor(seconds / 30));
    }
  });

  it('are six digits and nothing else, but for blanks (W11)', () => {
    for (const text of ['', '28708', '2870820', '28708x', '２８７０８２', '-87082', '1e5000'])
      expect(stepOf(seed, text, 59_000), text).to.equal(null);
  });
});
