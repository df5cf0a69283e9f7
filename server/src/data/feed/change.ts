import type { Document } from 'mongodb';
import type { Position } from './position.ts';

/** One write that has become durable, in the order in which all nodes see them. */
export interface Change {
  /** The position for clients: `<feed id>.<position>`. */
  readonly cursor: string;
  /** The position that nodes compare. */
  readonly position: Position;
  readonly collection: string;
  readonly type: 'insert' | 'replace' | 'update' | 'delete';
  /** The document's `_id`. */
  readonly id: unknown;
  /**
   * The whole document after the change; null for `update` and `delete`, which the registry never uses on guarded documents.
   * It is not frozen and must not be modified.
   */
  readonly document: Document | null;
  /** The feed's time of the change, in milliseconds since 1970. */
  readonly at: number;
}
