import { RegistryError } from '@rollcall/client/contract';
import type { Implementation } from '../handler.ts';
import type { AuditDocument } from '../../domain/documents/audit.ts';

const view = ({ _id, at, action, outcome, actor, targets, address, details }: AuditDocument) => ({
  id: _id,
  at: at.toISOString(),
  action,
  outcome,
  actor,
  targets,
  address,
  details,
});

const cursorOf = ({ at, _id }: AuditDocument): string => Buffer.from(JSON.stringify([at.getTime(), _id])).toString('base64url');

const wrong = (path: string, message: string): never => {
  throw new RegistryError('invalid-input', undefined, { details: [{ path, rule: 'format', message }] });
};

const readCursor = (text: string): { readonly at: Date; readonly id: string } => {
  try {
    const [at, id] = JSON.parse(Buffer.from(text, 'base64url').toString('utf8')) as readonly unknown[];
    if (typeof at === 'number' && Number.isSafeInteger(at) && typeof id === 'string') return { at: timeOf('/cursor', at), id };
  } catch (error) {
    if (error instanceof RegistryError) throw error;
  }
  return wrong('/cursor', 'not a cursor of the audit');
};

const timeOf = (path: string, given: string | number): Date => {
  const time = new Date(given);
  return Number.isNaN(time.getTime()) ? wrong(path, 'not a time') : time;
};

export const audit: Implementation['audit'] = {
  async list({ from, to, cursor, actor, target, action }, { audit }) {
    const { entries, next } = await audit.list({
      ...(from !== undefined && { from: timeOf('/from', from) }),
      ...(to !== undefined && { to: timeOf('/to', to) }),
      ...(cursor !== undefined && { before: readCursor(cursor) }),
      actor,
      target,
      action,
    });
    return { output: { entries: entries.map(view), cursor: next === null ? null : cursorOf(next) } };
  },

  async verify(_input, { audit }) {
    const { problems, ...counted } = await audit.verify();
    return { output: { ...counted, problems: [...problems] } };
  },
};
