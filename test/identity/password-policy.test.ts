import { RegistryError } from '@rollcall/client';
import { createRegistry } from '@rollcall/server';
import { loadConfig } from '@rollcall/server/internal/app/config';
import { makePassword, passwordProblems } from '@rollcall/server/internal/domain/password-policy';
import { expect } from 'chai';
import fc from 'fast-check';
import { overBothSurfaces } from './support/suites.ts';

const none = { min: 0, lower: 0, upper: 0, numeric: 0, symbol: 0 };

describe('the password policy (AC-5.6)', () => {
  const rulesOf = (policy: Partial<typeof none>, password: string): readonly string[] =>
    passwordProblems({ ...none, ...policy }, password, '/password').map(({ rule }) => rule);

  it('counts characters, not code units, and classes by Unicode category', () => {
    expect(rulesOf({ min: 5 }, '😀😀😀😀')).to.deep.equal(['minLength']);
    expect(rulesOf({ min: 5 }, '😀😀😀😀😀')).to.deep.equal([]);
    expect(rulesOf({ lower: 1, upper: 1, numeric: 1, symbol: 1 }, 'ßÄ٣€')).to.deep.equal([]);
    expect(rulesOf({ lower: 2, upper: 2, numeric: 2, symbol: 2 }, 'ßÄ٣€')).to.deep.equal(['lower', 'upper', 'numeric', 'symbol']);
  });

  it('takes no empty password, whatever it says', () => {
    expect(rulesOf({}, '')).to.deep.equal(['minLength']);
    expect(rulesOf({}, ' ')).to.deep.equal([]);
  });

  it('is met by whatever is made by it', () => {
    const least = fc.integer({ min: 0, max: 40 });
    fc.assert(
      fc.property(
        fc.record({ min: least, lower: least, upper: least, numeric: least, symbol: least }),
        fc.infiniteStream(fc.nat()),
        (policy, numbers) => {
          const random = (below: number): number => (numbers.next().value as number) % below;
          expect(passwordProblems(policy, makePassword(policy, random), '')).to.deep.equal([]);
        },
      ),
    );
  });

  for (const text of [
    '{',
    '[]',
    '5',
    'null',
    '{"min":-1}',
    '{"min":1.5}',
    '{"min":"5"}',
    '{"max":5}',
    '{"lower":2000}',
    '{"__proto__":1}',
  ]) {
    it(`does not start with ${text}`, () => {
      expect(() => loadConfig({ ROLLCALL_PASSWORD_POLICY: text })).to.throw(/ROLLCALL_PASSWORD_POLICY: must be JSON/);
    });
  }

  it('has no rule for what is missing, and is there five characters long if nobody says anything', () => {
    expect(loadConfig({ ROLLCALL_PASSWORD_POLICY: '{"upper":1}' }).passwordPolicy).to.deep.equal({ ...none, upper: 1 });
    expect(loadConfig({}).passwordPolicy).to.deep.equal({ ...none, min: 5 });
  });

  it('holds for the first administrator too, and for programs that give it themselves', async () => {
    const policy = '{"min":8,"symbol":1}';
    expect(() => loadConfig({ ROLLCALL_PASSWORD_POLICY: policy, ROLLCALL_ADMIN_PASSWORD: 'short' })).to.throw(
      'ROLLCALL_ADMIN_PASSWORD: must have at least 8 characters\nROLLCALL_ADMIN_PASSWORD: must have at least 1 symbols',
    );
    const refused = await createRegistry({ dataDir: ':memory:', port: 0, passwordPolicy: { ...none, min: -1 } }).catch(
      (error: unknown) => error,
    );
    expect(refused).to.be.an('error').and.not.instanceOf(RegistryError);
    expect(String(refused)).to.include('ROLLCALL_PASSWORD_POLICY');
    const demanding = { ...none, min: 40, symbol: 3 };
    const registry = await createRegistry({ dataDir: ':memory:', port: 0, logLevel: 'error', passwordPolicy: demanding });
    expect(passwordProblems(demanding, registry.firstPassword?.password ?? '', '')).to.deep.equal([]);
    await registry.close();
  });
});

overBothSurfaces(
  'the password policy of a registry',
  ({ call, user, name }) => {
    it('can be read by whoever is identified', async () => {
      const { token } = await user(name('reads'), {}, 'Secret-1');
      const policy = { ...none, min: 6, upper: 1, numeric: 1 };
      expect((await call('passwordPolicy:get', {}, token)).body).to.deep.equal(policy);
      expect((await call('passwordPolicy:get', {}, null)).outcome).to.equal('unauthenticated');
    });

    it('decides wherever a password is set', async () => {
      const username = name('sets');
      const { outcome, paths } = await call('users:create', { username, password: 'secret' });
      expect([outcome, paths]).to.deep.equal(['invalid-input', ['/password', '/password']]);
      const batch = await call('users:createBatch', {
        users: [
          { username, password: 'Secret1' },
          { username: `${username}b`, password: 'SECRET' },
        ],
      });
      expect([batch.outcome, batch.paths]).to.deep.equal(['invalid-input', ['/users/1/password']]);
      const { id, token } = await user(username, {}, 'Secret-1');
      expect((await call('users:update', { id, password: 'secret1' })).paths).to.deep.equal(['/password']);
      const change = { password: 'Secret-1', newPassword: 'secret1' };
      expect((await call('users:changePassword', change, token)).paths).to.deep.equal(['/newPassword']);
      expect((await call('users:changePassword', { ...change, newPassword: 'Secret-2' }, token)).outcome).to.equal('ok');
    });
  },
  { passwordPolicy: { ...none, min: 6, upper: 1, numeric: 1 } },
);
