import Type from 'typebox';
import { Time, Token, Uuid } from './models.ts';
import { operation } from './operation.ts';
import { Done } from './user-models.ts';

const pair = {
  token: Token,
  refreshToken: Token,
  /** Seconds. */
  validityTime: Type.Integer(),
  expiresAt: Time,
} as const;

/**
 * Exchange name and password for an access token that lives one hour and a refresh token.
 *
 * Not for users who have, or must have, a second factor (`mfa-required`). `customerId` is the uuid of the user's group. Other keys are ignored. AT-1.1.
 */
export const token = operation({
  http: ['POST /api/v2/auth/token'],
  dialect: 'authToken',
  summary: 'Exchange name and password for an access token and a refresh token.',
  access: { public: true },
  mutates: true,
  credential: 'proves',
  input: Type.Object({
    username: Type.String({ minLength: 1, maxLength: 256 }),
    password: Type.String({ minLength: 1, maxLength: 1024 }),
  }),
  output: Type.Object({ customerId: Uuid, ...pair }),
  errors: ['invalid-credentials', 'mfa-required', 'banned', 'busy'],
});

/**
 * Exchange both tokens for new ones. A refresh token works once: whoever shows a used one ends the whole login.
 *
 * The access token may have expired. AT-1.2.
 */
export const refresh = operation({
  http: ['PUT /api/v2/auth/token'],
  dialect: 'authToken',
  summary: 'Exchange both tokens for new ones.',
  access: { public: true },
  mutates: true,
  credential: 'proves',
  input: Type.Object({
    token: Type.String({ minLength: 1, maxLength: 4096 }),
    refreshToken: Type.String({ minLength: 1, maxLength: 4096 }),
  }),
  output: Type.Object(pair),
  errors: ['unauthenticated'],
});

/** End a login, its access tokens and its refresh token: that of `token`, or the caller's own. AT-1.3. */
export const revoke = operation({
  http: ['DELETE /api/v2/auth/token'],
  dialect: 'authToken',
  summary: 'End a login with all its tokens.',
  access: { public: true },
  enrolling: true,
  mutates: true,
  input: Type.Object({ token: Type.Optional(Type.String({ minLength: 1, maxLength: 4096 })) }),
  output: Done,
  errors: ['unauthenticated'],
});
