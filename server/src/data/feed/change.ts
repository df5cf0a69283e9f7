import type { Document } from 'mongodb';
import type { Position } from './position.ts';

/** One write that has become durable, in the order in which all nodes see them. */
export interface Change {
  /** The place as clients know it: `<feed id>.<position>`. */
  readonly cursor: string;
  /** The place as nodes compare it. */
  readonly position: Position;
  readonly collection: string;
  readonly type: 'insert' | 'replace' | 'update' | 'delete';
  /** The document's `_id`. */
  readonly id: unknown;
  /** The whole document after the change (frozen by nobody: do not change it); null for `update` and `delete`, which are never ours for a guarded document. */
  readonly document: Document | null;
  /** The feed's time of the change, in milliseconds since 1970. */
  readonly at: number;
}
