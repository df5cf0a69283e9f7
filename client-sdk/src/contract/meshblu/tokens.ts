import Type from 'typebox';
import { StoredToken, Time, Token, Uuid } from '../models.ts';
import { open, operation } from '../operation.ts';

/**
 * Make a session token for a device. The only time the token is shown.
 *
 * Further keys (`tag` by custom) are stored as the token's metadata and given back. Older tokens stay valid. A device has at
 * most 1000: beyond that the call fails with `conflict`. MS-2.13.
 */
export const generateAndStoreToken = operation({
  http: ['POST /devices/:uuid/tokens'],
  summary: 'Make a session token for a device.',
  access: { whitelist: 'configure.update', target: 'uuid' },
  credentials: true,
  audit: true,
  mutates: true,
  credential: 'grants',
  input: open({ uuid: Uuid }),
  output: open({ uuid: Uuid, token: Token, createdAt: Time }),
  errors: ['too-large', 'conflict'],
});

/** End one session token. A token that does not exist is a success; a root token can only be reset. MS-2.13. */
export const revokeToken = operation({
  http: ['DELETE /devices/:uuid/tokens/:token'],
  summary: 'End one session token.',
  access: { whitelist: 'configure.update', target: 'uuid' },
  audit: true,
  mutates: true,
  input: open({ uuid: Uuid, token: Token }),
  output: Type.Object({ uuid: Uuid }),
  errors: [],
});

/** End the session tokens whose metadata match every given key; without `uuid` the caller's own. MS-2.13. */
export const revokeTokenByQuery = operation({
  http: ['DELETE /devices/:uuid/tokens'],
  summary: 'End the session tokens with these metadata.',
  access: { whitelist: 'configure.update', target: 'uuid' },
  audit: true,
  mutates: true,
  input: open({ uuid: Type.Optional(Uuid) }),
  output: Type.Object({ uuid: Uuid }),
  errors: [],
});

/** Make a new root token for a device; the old one dies, session tokens live on. MS-2.13. */
export const resetToken = operation({
  http: ['POST /devices/:uuid/token'],
  summary: 'Make a new root token for a device.',
  access: { whitelist: 'configure.update', target: 'uuid' },
  credentials: true,
  audit: true,
  mutates: true,
  credential: 'grants',
  input: open({ uuid: Uuid }),
  output: Type.Object({ uuid: Uuid, token: Token, device: Type.Object({ uuid: Uuid, token: Token }) }),
  errors: [],
});

/** The tokens of a device whose metadata match every given key, without their secrets; newest first, at most 1000. MS-2.13. */
export const searchTokens = operation({
  http: ['POST /search/tokens'],
  summary: 'The tokens of a device, without their secrets.',
  access: { whitelist: 'configure.update', target: 'uuid' },
  mutates: false,
  input: open({ uuid: Type.Optional(Uuid) }),
  output: Type.Object({ tokens: Type.Array(StoredToken) }),
  errors: [],
});
