import Type from 'typebox';
import { Time } from './models.ts';
import { operation } from './operation.ts';
import { Done, LoginResult, Password, Permission } from './user-models.ts';

const closed = { additionalProperties: false } as const;

/**
 * Log in by name and password. The token logs in a connection (`identity { token }`) and HTTP (`Authorization: Bearer`).
 *
 * `expireTimeInHours`: more than 0, at most 100000, by default 24. `label` names the token in the list of the user's tokens. It does not change
 * who the connection is.
 *
 * With a second factor the answer is `needsMfa` and a `secret` for `mfa:login`; whoever must have one and has none gets a token that is good for
 * enrolling only (`enforceMFAEnrollment`). AC-3.3.
 */
export const login = operation({
  http: ['POST /api/login'],
  dialect: 'accessControl',
  summary: 'Log in by name and password.',
  access: { public: true },
  mutates: true,
  credential: 'proves',
  input: Type.Object(
    {
      username: Type.String({ minLength: 1, maxLength: 256 }),
      password: Password,
      expireTimeInHours: Type.Optional(Type.Number({ exclusiveMinimum: 0, maximum: 100_000 })),
      label: Type.Optional(Type.String({ maxLength: 100 })),
    },
    closed,
  ),
  output: LoginResult,
  errors: ['invalid-credentials', 'banned', 'busy'],
});

/** Who the caller is and what he may do. `expiresAt` is null if what he showed does not expire. AC-3.3. */
export const get = operation({
  http: ['GET /api/session'],
  dialect: 'accessControl',
  summary: 'Who the caller is and what he may do.',
  access: { self: true },
  enrolling: true,
  mutates: false,
  input: Type.Object({}, closed),
  output: Type.Object({
    username: Type.String(),
    expiresAt: Type.Union([Time, Type.Null()]),
    permissions: Type.Array(Permission),
    mfa: Type.Object({ enabled: Type.Boolean(), enforced: Type.Boolean() }),
  }),
  errors: ['not-found'],
});

/** End the login that makes this call. AC-3.10. */
export const logout = operation({
  http: ['POST /api/logout'],
  dialect: 'accessControl',
  summary: 'End the login that makes this call.',
  access: { self: true },
  enrolling: true,
  mutates: true,
  input: Type.Object({}, closed),
  output: Done,
  errors: ['conflict'],
});
