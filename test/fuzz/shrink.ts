import type { Collection, Document } from 'mongodb';
import { isPlain } from './filters.ts';
import type { Operation } from './operations.ts';
import { type Difference, openPair, step } from './scenario.ts';

interface Failing {
  operations: Operation[];
  difference: Difference;
}

/** Most replays that the search for a smaller sequence may take. */
const mostReplays = 1500;

/** Leaves out operations, then fields and elements inside them, as long as the last operation still differs in the same way. */
export async function shrink(operations: Operation[], difference: Difference, real: Collection): Promise<Failing> {
  let best: Failing = { operations, difference };
  let replays = 0;

  async function better(candidate: Operation[]): Promise<boolean> {
    if (replays >= mostReplays) return false;
    replays += 1;
    const found = await replay(candidate, real);
    if (found === undefined || shapeOf(found.difference) !== shapeOf(best.difference)) return false;
    best = found;
    return true;
  }

  for (let changed = true; changed;) {
    changed = false;
    for (let at = best.operations.length - 2; at >= 0; at -= 1) {
      if (await better(best.operations.filter((_, index) => index !== at))) changed = true;
    }
    for (let at = best.operations.length - 1; at >= 0; at -= 1) {
      for (const simpler of simplerOperations(best.operations[at] as Operation)) {
        const candidate = best.operations.map((one, index) => (index === at ? simpler : one));
        if (!(await better(candidate))) continue;
        changed = true;
        break;
      }
    }
  }
  return best;
}

/** What must stay the same: what differs, and which side failed. */
function shapeOf({ what, embedded, real }: Difference): string {
  return [what, embedded.startsWith('error'), real.startsWith('error')].join();
}

/** The operations up to the first difference; undefined if there is none. `plain`: without the mongod's own indexes. */
export async function replay(operations: readonly Operation[], real: Collection, plain = false): Promise<Failing | undefined> {
  const { pair, close } = await openPair(real, plain);
  try {
    const done: Operation[] = [];
    for (const one of operations) {
      done.push(one);
      const outcome = await step(pair, one);
      if (outcome.kind === 'different') return { operations: done, difference: outcome.difference };
    }
    return undefined;
  } catch {
    // Taken apart too far to be an operation at all.
    return undefined;
  } finally {
    await close();
  }
}

/** The same operation with less in one of its arguments, which all stay. */
function* simplerOperations(operation: Operation): Generator<Operation> {
  for (const [name, argument] of Object.entries(operation)) {
    for (const inner of simplerForms(argument)) yield { ...operation, [name]: inner as unknown };
  }
}

/** Parts of a bulk's operations, and what makes an order complete. */
const needed: ReadonlySet<string> = new Set(['_id', 'filter', 'update', 'document', 'replacement']);

/** The same value with one field or element less, at any depth. */
function* simplerForms(value: unknown): Generator<unknown> {
  if (Array.isArray(value)) {
    for (let at = 0; at < value.length; at += 1) yield value.filter((_, index) => index !== at);
    for (let at = 0; at < value.length; at += 1)
      for (const inner of simplerForms(value[at])) yield value.map((old: unknown, index) => (index === at ? inner : old));
  } else if (isPlain(value)) {
    for (const name of Object.keys(value)) if (!needed.has(name)) yield without(value, name);
    for (const [name, old] of Object.entries(value)) for (const inner of simplerForms(old)) yield { ...value, [name]: inner };
  }
}

function without(document: Document, name: string): Document {
  const { [name]: _, ...rest } = document;
  return rest;
}
