import Type from 'typebox';
import { CertificateInfo } from './certificate-models.ts';
import { operation } from './operation.ts';
import { Done } from './user-models.ts';

const closed = { additionalProperties: false } as const;

const CertificateId = Type.String({ minLength: 1, maxLength: 128 });

/** What client certificates are verified against: the registry's own authority first, then what was added. */
export const list = operation({
  http: ['GET /api/certificates'],
  dialect: 'accessControl',
  summary: 'The trusted certificates.',
  access: { permission: '/api/certificates', operation: 'read' },
  mutates: false,
  input: Type.Object({}, closed),
  output: Type.Object({ certificates: Type.Array(CertificateInfo) }),
  errors: [],
});

/**
 * Trust certificates: PEM text with one or several, at most 64. What is there already stays as it is and is answered like the others. A text with a
 * private key in it is refused, and nothing of it is kept. One that is no certificate authority may be added, but nothing is verified by it.
 *
 * Whoever may do this decides who logs in by certificate. AC-3.6, AC-5.11.
 */
export const add = operation({
  http: ['POST /api/certificates'],
  dialect: 'accessControl',
  summary: 'Trust certificates.',
  access: { permission: '/api/certificates', operation: 'write' },
  mutates: true,
  credential: 'grants',
  input: Type.Object({ pem: Type.String({ minLength: 1, maxLength: 131_072 }) }, closed),
  output: Type.Object({ certificates: Type.Array(CertificateInfo) }),
  errors: ['conflict'],
});

/** One of the trusted certificates as PEM. */
export const content = operation({
  http: ['GET /api/certificates/content'],
  dialect: 'accessControl',
  summary: 'One of the trusted certificates as PEM.',
  access: { permission: '/api/certificates/content', operation: 'read' },
  mutates: false,
  input: Type.Object({ id: CertificateId }, closed),
  output: Type.Object({ pem: Type.String() }),
  errors: ['not-found'],
});

/** Trust a certificate no longer. Connections that were verified by it are closed. The registry's own authority stays: `conflict`. */
export const remove = operation({
  http: ['DELETE /api/certificates'],
  dialect: 'accessControl',
  summary: 'Trust a certificate no longer.',
  access: { permission: '/api/certificates', operation: 'write' },
  mutates: true,
  input: Type.Object({ id: CertificateId }, closed),
  output: Done,
  errors: ['not-found', 'conflict'],
});
