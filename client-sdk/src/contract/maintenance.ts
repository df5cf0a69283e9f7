import Type from 'typebox';
import { MaintenanceStatus } from './maintenance-status.ts';
import { operation } from './operation.ts';
import { Id } from './user-models.ts';

const closed = { additionalProperties: false } as const;

/** The newest backup and restore, of whichever node. AC-3.8, AC-5.12. */
export const status = operation({
  http: ['GET /api/maintenance/db'],
  dialect: 'accessControl',
  summary: 'How the newest backup and restore stand.',
  access: { permission: '/api/maintenance/db', operation: 'read' },
  mutates: false,
  input: Type.Object({}, closed),
  output: MaintenanceStatus,
  errors: [],
});

/**
 * Begin to make an archive of the whole registry, as it is at one moment before the job ends. It goes on while others write. One job runs at a
 * time, on one of the nodes; the archive stays there, in the place of its last one. AC-3.10, AC-5.12.
 */
export const backup = operation({
  http: ['POST /api/maintenance/db/backup'],
  dialect: 'accessControl',
  summary: 'Begin a backup.',
  access: { permission: '/api/maintenance/db/backup', operation: 'write' },
  mutates: true,
  input: Type.Object({}, closed),
  output: Type.Object({ id: Id }),
  errors: ['conflict'],
});

/**
 * Which archive this node keeps, and how long it is. Over HTTP the answer is the archive itself. Whoever has it has all that the registry knows, if he
 * also has its secret. AC-3.10.
 */
export const archive = operation({
  http: ['GET /api/maintenance/db/backup'],
  dialect: 'accessControl',
  file: 'response',
  audit: true,
  summary: 'The newest archive; over HTTP the file itself.',
  access: { permission: '/api/maintenance/db/backup', operation: 'write' },
  mutates: false,
  credential: 'grants',
  input: Type.Object({}, closed),
  output: Type.Object({ id: Id, bytes: Type.Integer() }),
  errors: ['not-found'],
});

/**
 * Begin to make the registry what an archive holds: over Socket.IO the one that this node keeps, by its `id`; over HTTP the one in the body, as
 * `application/octet-stream` or the field `file` of a form. An archive that cannot be restored changes nothing; `maintenance:status` tells why.
 *
 * While it goes on no node answers. Afterwards every connection and every login has ended; tokens of devices are what they were when the archive
 * was made. AC-3.8, AC-5.12.
 */
export const restore = operation({
  http: ['POST /api/maintenance/db/restore'],
  dialect: 'accessControl',
  file: 'request',
  summary: 'Begin to restore an archive.',
  access: { permission: '/api/maintenance/db/restore', operation: 'write' },
  mutates: true,
  credential: 'grants',
  input: Type.Object({ id: Id }, closed),
  output: Type.Object({ id: Id }),
  errors: ['conflict', 'not-found', 'too-large'],
});
