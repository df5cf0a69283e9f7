import type { Promotion } from './bson.ts';
import type { Catalog } from './catalog.ts';
import type { Journal } from './journal.ts';
import type { Reader } from './reader.ts';
import type { Rows } from './rows.ts';
import type { Statement } from './sqlite.ts';
import type { GroupCommit } from './group-commit.ts';

/** The parts of an open store, as its collections and streams use them. */
export interface Engine {
  readonly database: string;
  readonly promotion: Promotion;
  readonly now: () => number;
  readonly sql: (text: string) => Statement;
  readonly catalog: Catalog;
  readonly journal: Journal;
  readonly rows: Rows;
  readonly reader: Reader;
  readonly turns: GroupCommit;
  /** Calls back after each commit until the returned function is called. */
  onCommit(listener: () => void): () => void;
}
