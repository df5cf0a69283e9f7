import type { Document, Double, Int32, ObjectId } from 'mongodb';
import type { Collection, ChangeStream, WatchOptions } from '@rollcall/server/store';
import { feedRules } from './conformance/feed.ts';
import { indexRules } from './conformance/indexes.ts';
import { plannerRules } from './conformance/planner.ts';
import { readRules } from './conformance/reads.ts';
import { writeRules } from './conformance/writes.ts';

/** A document of the tests. */
export interface Thing extends Document {
  _id?: string | number | ObjectId | Int32 | Double;
}

/** A database of any collections: the driver's `Db` and the embedded one. */
export interface AnyDb {
  collection(name: string): Collection<Thing>;
  watch(pipeline?: Document[], options?: WatchOptions): ChangeStream;
}

export interface Opened {
  db: AnyDb;
  close(): Promise<void>;
}

/** A database that has collections of a test's own: no two tests share one. */
export interface Bench {
  db(): AnyDb;
  fresh(): Collection<Thing>;
}

/** The port's rules, for one engine. `open` says why if the engine cannot be had here: then the rules are pending. */
export function conformance(engine: string, open: () => Promise<Opened | { skip: string }>): void {
  describe(`the store port on ${engine}`, () => {
    let opened: Opened | undefined;
    let count = 0;

    before(async function () {
      this.timeout(150_000);
      const found = await open();
      if ('skip' in found) {
        this.test?.parent?.eachTest((test) => (test.title += ` (${found.skip})`));
        this.skip();
      }
      opened = found;
    });

    after(async () => opened?.close());

    const db = () => {
      if (opened === undefined) throw new Error('the store is not open');
      return opened.db;
    };
    const bench: Bench = { db, fresh: () => db().collection(`c${(count += 1)}`) };
    writeRules(bench);
    readRules(bench);
    indexRules(bench);
    plannerRules(bench);
    feedRules(bench);
  });
}
