import Type from 'typebox';
import { open } from './operation.ts';

/** Identity of a device. New ones are UUID v4; any text of 1 to 256 characters is accepted as it stands (MS-11). */
export const Uuid = Type.String({ minLength: 1, maxLength: 256 });

/** A point in time, ISO 8601 in UTC with milliseconds. */
export const Time = Type.String({ format: 'date-time' });

/** A token in plain text. Made here: 40 lower-case hex digits; accepted when verifying: any text. */
export const Token = Type.String({ minLength: 1, maxLength: 1024 });

/**
 * A device document as clients see it (MS-3.1): `uuid`, what the server adds, and whatever its owner put in.
 *
 * Secrets (`token`, `meshblu.tokens`, `socketid`, `_id`) are never part of it. `meshblu.rev` numbers its visible changes.
 */
export const Device = open({
  uuid: Uuid,
  online: Type.Optional(Type.Boolean()),
  owner: Type.Optional(Type.Unknown()),
  meshblu: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
});

/** A token as `searchTokens` lists it: everything but the secret (MS-2.13). */
export const StoredToken = Type.Object({
  uuid: Uuid,
  metadata: Type.Record(Type.String(), Type.Unknown()),
  root: Type.Optional(Type.Boolean()),
  expiresOn: Type.Optional(Time),
});

/** What a device sends to prove who it is, and what it gets by `ready` (MS-1.3). */
export const Identity = open({
  uuid: Type.Optional(Type.Unknown()),
  token: Type.Optional(Type.Unknown()),
  auto_set_online: Type.Optional(Type.Unknown()),
});
