import Type from 'typebox';
import { RegistrationRequest } from './certificate-models.ts';
import { Time } from './models.ts';
import { operation } from './operation.ts';
import { Done, GrantTypes, Id, Password, PermissionInputs, PublishPrefix, User } from './user-models.ts';

const closed = { additionalProperties: false } as const;
const Username = Type.String({ minLength: 1, maxLength: 256 });

/**
 * Ask to become a user, with a password or with a certificate request (`csr`: base64 of PEM PKCS#10, whose CN is the username). If both are given
 * the password is dropped. Asking again with the same credential tells what has become of the request.
 *
 * `state`: `locked` while nobody may ask, `pending` until somebody has decided, then once `granted`, with the certificate (base64 of PEM) if one
 * was asked for. Roles (names) and permissions are wishes: whoever confirms gives what he thinks right. A connection that asks gets
 * `clientRegistry:granted`. AC-3.5, AC-5.8.
 */
export const register = operation({
  http: ['POST /api/client-registry/register'],
  dialect: 'accessControl',
  summary: 'Ask to become a user.',
  access: { public: true },
  mutates: true,
  credential: 'proves',
  // Devices ask every few seconds, and strangers could fill it; what comes of a request is written when somebody decides.
  audit: false,
  input: Type.Object(
    {
      username: Username,
      password: Type.Optional(Password),
      csr: Type.Optional(Type.String({ maxLength: 32_768 })),
      roles: Type.Optional(Type.Array(Type.String({ maxLength: 256 }), { maxItems: 100 })),
      permissions: Type.Optional(Type.Array(PermissionInputs.items, { maxItems: 100 })),
      context: Type.Optional(Type.String({ maxLength: 1024 })),
    },
    closed,
  ),
  output: Type.Object({
    state: Type.Enum(['locked', 'pending', 'granted']),
    certificate: Type.Optional(Type.String()),
  }),
  errors: ['conflict', 'banned', 'busy'],
});

/** The requests that wait, and those that were granted but whose askers do not know it yet; the oldest first. */
export const list = operation({
  http: ['GET /api/client-registry'],
  dialect: 'accessControl',
  summary: 'The requests to become a user.',
  access: { permission: '/api/client-registry', operation: 'read' },
  mutates: false,
  input: Type.Object({}, closed),
  output: Type.Object({ requests: Type.Array(RegistrationRequest) }),
  errors: [],
});

/** Let strangers ask for so many milliseconds from now, 30000 by default. AC-5.8. */
export const open = operation({
  http: ['POST /api/client-registry/open'],
  dialect: 'accessControl',
  summary: 'Let strangers ask to become users, for a while.',
  access: { permission: '/api/client-registry/open', operation: 'write' },
  mutates: true,
  input: Type.Object({ duration: Type.Optional(Type.Integer({ minimum: 1000, maximum: 3_600_000 })) }, closed),
  output: Type.Object({ openUntil: Time }),
  errors: [],
});

/** Let nobody ask any more. Requests that are there stay. */
export const close = operation({
  http: ['POST /api/client-registry/close'],
  dialect: 'accessControl',
  summary: 'Let nobody ask any more.',
  access: { permission: '/api/client-registry/close', operation: 'write' },
  mutates: true,
  input: Type.Object({}, closed),
  output: Done,
  errors: [],
});

/**
 * Grant a request: make the user, with exactly what is given here. `roles` are ids. Without `grantTypes` he logs in by what he asked with. Nobody
 * can give what his own permissions do not cover. AC-5.8.
 */
export const confirm = operation({
  http: ['POST /api/client-registry/confirm'],
  dialect: 'accessControl',
  summary: 'Grant a request to become a user.',
  access: { permission: '/api/client-registry/confirm', operation: 'write' },
  mutates: true,
  credential: 'grants',
  input: Type.Object(
    {
      username: Username,
      mqttPublishPrefix: Type.Optional(PublishPrefix),
      grantTypes: Type.Optional(GrantTypes),
      initialPermissions: Type.Optional(PermissionInputs),
      roles: Type.Optional(Type.Array(Id, { maxItems: 1000 })),
    },
    closed,
  ),
  output: User,
  errors: ['not-found', 'conflict', 'busy'],
});

/** Refuse a request: it is forgotten. */
export const deny = operation({
  http: ['DELETE /api/client-registry/:username'],
  dialect: 'accessControl',
  summary: 'Refuse a request to become a user.',
  access: { permission: '/api/client-registry/:username', operation: 'write' },
  mutates: true,
  input: Type.Object({ username: Username }, closed),
  output: Done,
  errors: ['not-found', 'conflict'],
});
