import Type, { type Static } from 'typebox';
import { Time } from './models.ts';
import { PermissionContext, PermissionOperation, Resource } from './user-models.ts';

const name = { commonName: Type.String(), organization: Type.String(), organizationalUnit: Type.String() } as const;

/**
 * A certificate of the trust store (AC-3.6, AC-5.11). `id` is its SHA-256 fingerprint in lower-case hex. Fields of
 * a name that it does not have are empty. `issuedOn` and `expiresOn` are milliseconds since 1970, `pathLength` is -1 if there is no limit.
 */
export const CertificateInfo = Type.Object({
  id: Type.String(),
  issuedBy: Type.Object(name),
  issuedTo: Type.Object({ ...name, alternativeNames: Type.Array(Type.String()) }),
  keyUsage: Type.Array(Type.String()),
  extendedKeyUsage: Type.Array(Type.String()),
  basicConstraints: Type.Object({ isCA: Type.Boolean(), pathLength: Type.Integer() }),
  issuedOn: Type.Integer(),
  expiresOn: Type.Integer(),
  fingerprints: Type.Object({ sha1: Type.String(), sha256: Type.String() }),
  removable: Type.Boolean(),
});

/** A certificate of the trust store. */
export type CertificateInfo = Static<typeof CertificateInfo>;

/** A request to become a user (AC-3.5). Roles (names) and permissions are what was wished for. */
export const RegistrationRequest = Type.Object({
  timestamp: Time,
  username: Type.String(),
  credentialType: Type.Enum(['password', 'certificate']),
  roles: Type.Array(Type.String()),
  context: Type.String(),
  permissions: Type.Array(Type.Object({ resource: Resource, operation: PermissionOperation, context: PermissionContext })),
  granted: Type.Boolean(),
});

/** A request to become a user. */
export type RegistrationRequest = Static<typeof RegistrationRequest>;
