import Type from 'typebox';
import { Time } from './models.ts';
import { Id } from './user-models.ts';

/** One backup or restore. Without `endDate` it is under way; `statusMessage` says how far it has come, or why it failed. */
const Job = Type.Object({
  id: Id,
  succeeded: Type.Boolean(),
  statusMessage: Type.String(),
  startDate: Time,
  endDate: Type.Optional(Time),
});

/** The newest backup and the newest restore, and whether one of them is under way. */
export const MaintenanceStatus = Type.Object({
  running: Type.Boolean(),
  backup: Type.Optional(Job),
  restore: Type.Optional(Job),
});
