import Type from 'typebox';
import { Uuid } from '../models.ts';
import { operation } from '../operation.ts';

/** Is this token one of this device? A question only: the connection stays who it was. MS-2.15. */
export const authenticate = operation({
  http: ['POST /authenticate', 'GET /authenticate/:uuid'],
  summary: 'Is this token one of this device?',
  access: { public: true },
  mutates: false,
  input: Type.Object({ uuid: Uuid, token: Type.String({ maxLength: 1024 }) }),
  output: Type.Object({ uuid: Uuid, authentication: Type.Boolean() }),
  errors: [],
});

/** The public key of a device, null if it has none. Needs no permission: the key is public. MS-2.14. */
export const getPublicKey = operation({
  http: ['GET /devices/:uuid/publickey'],
  summary: 'The public key of a device.',
  access: { public: true },
  mutates: false,
  input: Type.Object({ uuid: Uuid }),
  output: Type.Object({ uuid: Uuid, publicKey: Type.Unknown() }),
  errors: ['not-found'],
});

/** Is the registry there? MS-2.15. */
export const status = operation({
  http: ['GET /status'],
  summary: 'Is the registry there?',
  access: { public: true },
  mutates: false,
  input: Type.Object({}),
  output: Type.Object({ meshblu: Type.Literal('online') }),
  errors: [],
});
