import type { FileHandle } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Document } from 'mongodb';
import { ArchiveError, readArchive } from './archive.ts';
import { maxChanges } from './write-archive.ts';
import { idText, partOf, type FilePart } from './file-parts.ts';

/** The result of verifying an archive by reading it completely. */
export interface VerifiedArchive {
  /** Documents with several records: by collection and id, the number of the last record. */
  readonly words: ReadonlyMap<string, number>;
  /** The highest revision in it. */
  readonly rev: number;
  /** Number of documents that it restores. */
  readonly documents: number;
}

/** The key lookup and the check value that an archive is verified with. */
export interface Opening {
  readonly keyOf: (sealed: string) => Buffer | null;
  /** The check value of the pepper with which this registry hashes. */
  readonly pepper: string;
}

const isId = (id: unknown): boolean => id !== undefined && id !== null && !Array.isArray(id) && !(id instanceof RegExp);

const wrong = (): ArchiveError => new ArchiveError('The archive contains what no archive may contain');

/** One record about a document. */
interface Entry {
  readonly part: FilePart;
  readonly id: unknown;
  /** Null: it was removed. */
  readonly document: Document | null;
  /** Whether it is a change made during the backup. */
  readonly late: boolean;
}

/** Parses a record. Unknown collections and unknown fields are refused. */
const entryOf = (record: Document): Entry => {
  const { of, document, changed, removed, ...more } = record as Readonly<Record<string, unknown>>;
  const part = typeof of === 'string' ? partOf.get(of) : undefined;
  const given = [document, changed, removed].filter((one) => one !== undefined) as Document[];
  const [content] = given;
  if (part === undefined || given.length !== 1 || content === undefined || Object.keys(more).length > 0) throw wrong();
  if (typeof content !== 'object' || content === null || !isId(content['_id'])) throw wrong();
  if (removed === undefined) {
    if (!part.includes(content)) throw wrong();
    if (part.name === 'devices' && typeof content['uuid'] !== 'string') throw wrong();
  }
  return { part, id: content['_id'], document: removed === undefined ? content : null, late: document === undefined };
};

const nameOf = ({ part, id }: Entry): string => `${part.name}\0${idText(id)}`;

/** The revision of a document, whatever type of number it is; 0 if it has none. */
export const revisionOf = (document: Document): number => {
  const rev = Number((document['_rollcall'] as Document | undefined)?.['rev'] ?? 0);
  return Number.isSafeInteger(rev) && rev >= 0 ? rev : 0;
};

/** The entries of an archive, each with its number. Fails with an `ArchiveError` if the archive is invalid. */
const entriesOf = async function* (file: FileHandle, { keyOf, pepper }: Opening): AsyncGenerator<readonly [Entry, number]> {
  let number = 0;
  for await (const record of readArchive(file, keyOf)) {
    if (number === 0) {
      if (!isDeepStrictEqual(Object.keys(record), ['about'])) throw wrong();
      if ((record['about'] as Document | null)?.['pepper'] !== pepper)
        throw new ArchiveError(
          'The archive was made with another ROLLCALL_PEPPER: its tokens and passwords would be worth nothing',
        );
    } else {
      yield [entryOf(record), number];
    }
    number += 1;
  }
};

/** Reads a whole archive and changes nothing. Fails with an `ArchiveError` if it cannot be restored. */
export const verifyArchive = async (file: FileHandle, opening: Opening, hold: () => Promise<void>): Promise<VerifiedArchive> => {
  const words = new Map<string, number>();
  let rev = 0;
  let documents = 0;
  for await (const [entry, number] of entriesOf(file, opening)) {
    await hold();
    const name = nameOf(entry);
    if (entry.late || words.has(name)) words.set(name, number);
    if (words.size > maxChanges) throw wrong();
    if (entry.document === null) continue;
    rev = Math.max(rev, revisionOf(entry.document));
    documents += 1;
  }
  return { words, rev, documents };
};

/** The documents of a verified archive, each once, in its last state. */
export const documentsOf = async function* (
  file: FileHandle,
  opening: Opening,
  { words }: VerifiedArchive,
): AsyncGenerator<{ readonly part: FilePart; readonly document: Document }> {
  for await (const [entry, number] of entriesOf(file, opening)) {
    const word = words.get(nameOf(entry));
    if (entry.document !== null && (word === undefined || word === number)) yield { part: entry.part, document: entry.document };
  }
};
