import Type from 'typebox';
import { Token } from './models.ts';
import { operation } from './operation.ts';
import { Done, LoginResult } from './user-models.ts';

const closed = { additionalProperties: false } as const;
const Otp = Type.String({ minLength: 1, maxLength: 64 });
const BackupCode = Type.String({ minLength: 1, maxLength: 64 });

/** Exactly one of the two. */
const code = { otp: Type.Optional(Otp), backupCode: Type.Optional(BackupCode) } as const;
const BackupCodes = Type.Object({ backupCodes: Type.Array(Type.String()) });

/**
 * Begin to enrol in multi-factor authentication: `uri` (`otpauth://totp/...`) is for an authenticator application, mostly as a picture.
 *
 * Nothing changes until `mfa:validate`. Again: another one in its place. AC-3.9, AC-5.7.
 */
export const enable = operation({
  http: ['POST /api/mfa/enable'],
  dialect: 'accessControl',
  summary: 'Begin to enrol in multi-factor authentication.',
  access: { self: true },
  enrolling: true,
  mutates: true,
  credential: 'proves',
  input: Type.Object({}, closed),
  output: Type.Object({ uri: Type.String() }),
  errors: ['conflict', 'not-found', 'not-supported'],
});

/**
 * Finish it with a code of the application. From now on a login takes a code too. The ten backup codes, each good for once, are shown this once.
 *
 * A login that was held to enrol is a full one now. AC-3.9, AC-5.7.
 */
export const validate = operation({
  http: ['POST /api/mfa/validate'],
  dialect: 'accessControl',
  summary: 'Finish to enrol, with a first code.',
  access: { self: true },
  enrolling: true,
  mutates: true,
  credential: 'proves',
  input: Type.Object({ otp: Otp }, closed),
  output: BackupCodes,
  errors: ['conflict', 'not-found', 'banned'],
});

/**
 * Finish a login that was answered with `needsMfa`: its `secret`, and a code of the application or a backup code.
 *
 * A code counts once. After too many wrong ones no code is looked at for a while (`banned`). AC-3.9, AC-5.7.
 */
export const login = operation({
  http: ['POST /api/mfa/login'],
  dialect: 'accessControl',
  summary: 'Finish a login with a code.',
  access: { public: true },
  mutates: true,
  credential: 'proves',
  input: Type.Object({ username: Type.String({ minLength: 1, maxLength: 256 }), secret: Token, ...code }, closed),
  output: LoginResult,
  errors: ['invalid-credentials', 'banned'],
});

/** Give the second factor up, with a code. Not for users who must have it. AC-3.9, AC-5.7. */
export const disable = operation({
  http: ['POST /api/mfa/disable'],
  dialect: 'accessControl',
  summary: 'Give multi-factor authentication up.',
  access: { self: true },
  enrolling: true,
  mutates: true,
  input: Type.Object(code, closed),
  output: Done,
  errors: ['conflict', 'not-found', 'invalid-credentials', 'banned'],
});

/** Other backup codes, in the place of all there are. AC-3.9, AC-5.7. */
export const regenerateBackupCodes = operation({
  http: ['POST /api/mfa/regenerate/backupcodes'],
  dialect: 'accessControl',
  summary: 'Make other backup codes.',
  access: { self: true },
  enrolling: true,
  mutates: true,
  credential: 'proves',
  input: Type.Object(code, closed),
  output: BackupCodes,
  errors: ['conflict', 'not-found', 'invalid-credentials', 'banned'],
});
