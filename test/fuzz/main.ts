import { createHash, randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { BSON, MongoClient, type Collection, type Document } from 'mongodb';
import { mongodUri } from '../support/mongod.ts';
import { index, operation, type Operation } from './operations.ts';
import { random } from './random.ts';
import { copied } from './values.ts';
import { type Difference, openPair, step } from './scenario.ts';
import { replay, shrink } from './shrink.ts';

/**
 * Runs random operations on the embedded store and on a real mongod and compares every answer and all stored documents:
 * `node test/dist/fuzz/main.js --seed N --ops N`. Ends with 1 and the smallest sequence found if they differ; `--all` goes on then.
 */
const { values: flags } = parseArgs({
  options: {
    seed: { type: 'string' },
    ops: { type: 'string', default: '20000' },
    lanes: { type: 'string', default: '12' },
    all: { type: 'boolean', default: false },
  },
});
const seed = flags.seed === undefined ? randomInt(2 ** 31) : Number(flags.seed);
const total = Number(flags.ops);
const lanes = Number(flags.lanes);

/** Operations in one sequence, which begins with an empty collection. */
const sequenceLength = 60;

interface Counts {
  agreed: number;
  failed: number;
  skipped: number;
  different: number;
  /** Sequences after which a mongod answers another thing than it does itself without an index. */
  ownIndexes: number;
  refused: Map<string, number>;
}

interface Found {
  operations: Operation[];
  difference: Difference;
  seed: number;
}

async function sequence(real: Collection, ownSeed: number, counts: Counts): Promise<Found | undefined> {
  const choices = random(ownSeed);
  const { pair, close } = await openPair(real);
  const operations: Operation[] = [];
  let documents: Document[] = [];
  try {
    const indexes = choices.weighted([
      [5, 0],
      [3, 1],
      [2, 2],
    ] as const);
    for (let at = 0; at < sequenceLength; at += 1) {
      const next: Operation =
        at < indexes
          ? { kind: 'createIndex', ...index({ random: choices, documents }) }
          : operation({ random: choices, documents });
      const outcome = await step(pair, next);
      if (outcome.kind === 'ended') return undefined;
      if (outcome.kind === 'skipped') counts.skipped += 1;
      if (outcome.kind === 'refused') {
        counts.refused.set(outcome.why, (counts.refused.get(outcome.why) ?? 0) + 1);
        if (outcome.why === 'in a batch') return undefined;
      }
      if (outcome.kind === 'different')
        return { operations: [...operations, next], difference: outcome.difference, seed: ownSeed };
      if (outcome.kind !== 'agreed') continue;
      counts.agreed += 1;
      if (outcome.failed) counts.failed += 1;
      operations.push(next);
      documents = copied(outcome.documents) as Document[];
    }
    return undefined;
  } finally {
    await close();
  }
}

/** Sequences of one lane, one after the other on a collection of its own, until there were enough operations or a difference. */
async function lane(real: Collection, number: number, counts: Counts): Promise<void> {
  for (let round = 0; counts.agreed < total && (counts.different === 0 || flags.all); round += 1) {
    const found = await sequence(real, sequenceSeed(number, round), counts);
    if (found === undefined) continue;
    const smallest = await shrink(found.operations, found.difference, real);
    // What the embedded store answers with its indexes is what a mongod answers without: then it is right.
    if ((await replay(smallest.operations, real, true)) === undefined) {
      counts.ownIndexes += 1;
      continue;
    }
    counts.different += 1;
    if (counts.different > 1 && !flags.all) return;
    print(smallest.operations, smallest.difference, found.seed);
  }
}

function sequenceSeed(number: number, round: number): number {
  return createHash('sha256').update(`${seed} ${number} ${round}`).digest().readUInt32LE();
}

async function main(uri: string): Promise<number> {
  const client = await MongoClient.connect(uri, { writeConcern: { w: 1, journal: false }, maxPoolSize: lanes });
  const database = client.db(`fuzz${process.pid}`);
  const counts: Counts = { agreed: 0, failed: 0, skipped: 0, different: 0, ownIndexes: 0, refused: new Map() };
  const start = performance.now();
  try {
    await Promise.all(Array.from({ length: lanes }, (_, number) => lane(database.collection(`lane${number}`), number, counts)));
    report(counts, (performance.now() - start) / 1000);
    return counts.different === 0 ? 0 : 1;
  } finally {
    await database.dropDatabase();
    await client.close();
  }
}

function report({ agreed, failed, skipped, refused, ownIndexes }: Counts, seconds: number): void {
  const refusals = [...refused.values()].reduce((sum, count) => sum + count, 0);
  console.log(
    `${agreed} operations agreed in ${seconds.toFixed(1)} s (${failed} of them errors on both sides), ${skipped} skipped, ${refusals} refused by name`,
  );
  if (ownIndexes > 0) console.log(`  ${ownIndexes} times a mongod answered another thing than it does without its index`);
  for (const [why, count] of [...refused].sort(([, a], [, b]) => b - a)) console.log(`  refused ${count} times: ${why}`);
}

function print(operations: readonly Operation[], { what, embedded, real }: Difference, ownSeed: number): void {
  console.log(`\nDIFFERENT (sequence ${ownSeed}): ${what} of the last operation`);
  for (const one of operations) console.log(`  ${BSON.EJSON.stringify(one, { relaxed: false })}`);
  console.log(`embedded: ${embedded}\nmongod:   ${real}`);
}

console.log(`seed ${seed}`);
const server = await mongodUri();
if ('skip' in server) {
  console.error(`cannot compare: ${server.skip}`);
  process.exitCode = 2;
} else {
  process.exitCode = await main(server.uri);
}
