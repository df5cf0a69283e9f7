import { revOf } from '../../data/repository/cache.ts';
import { roughBytes } from '../../common/object-size.ts';
import type { DeviceDocument } from '../../domain/documents/device.ts';

/** The documents that live queries keep: each once, however many keep it. */
export interface ClientBuffer<Q> {
  /** Keeps a document for a query; returns the same revision if one is there already. */
  keep(id: string, document: DeviceDocument, query: Q): DeviceDocument;
  drop(id: string, query: Q): void;
  /** Who keeps a document. */
  of(id: string): Iterable<Q>;
  has(id: string): boolean;
  /** What is kept may be wrong: the next one of the same revision takes its place. */
  distrust(): void;
  /** Roughly what all of them take, in bytes. */
  readonly bytes: number;
}

interface Entry<Q> {
  document: DeviceDocument;
  bytes: number;
  generation: number;
  readonly queries: Set<Q>;
}

/** Keeps nothing yet. */
export const createClientBuffer = <Q>(): ClientBuffer<Q> => {
  const entries = new Map<string, Entry<Q>>();
  let bytes = 0;
  let generation = 0;

  const renew = (entry: Entry<Q>, document: DeviceDocument): void => {
    bytes -= entry.bytes;
    entry.document = document;
    entry.generation = generation;
    entry.bytes = 2 * roughBytes(document);
    bytes += entry.bytes;
  };

  return {
    keep(id, document, query) {
      const entry = entries.get(id);
      if (entry === undefined) {
        const first: Entry<Q> = { document, bytes: 0, generation, queries: new Set([query]) };
        entries.set(id, first);
        renew(first, document);
        return document;
      }
      entry.queries.add(query);
      const isTrusted = entry.generation === generation;
      if (isTrusted && revOf(document) === revOf(entry.document)) return entry.document;
      if (!isTrusted || revOf(document) > revOf(entry.document)) renew(entry, document);
      return document;
    },
    drop(id, query) {
      const entry = entries.get(id);
      if (entry === undefined || !entry.queries.delete(query) || entry.queries.size > 0) return;
      bytes -= entry.bytes;
      entries.delete(id);
    },
    of: (id) => entries.get(id)?.queries ?? [],
    has: (id) => entries.has(id),
    distrust: () => void (generation += 1),
    get bytes() {
      return bytes;
    },
  };
};
