import {
  createWindow,
  reserveOf,
  stepsBetween,
  type LiveRow,
  type WindowStep,
  type Window,
} from '@rollcall/server/internal/realtime/live/window';
import { expect } from 'chai';
import fc from 'fast-check';

const row = (id: string, place: string, shown = 1): LiveRow => ({
  id,
  place: place + id,
  document: { _id: id, uuid: id, _rollcall: { rev: shown, shown } },
});

/** What a client makes of steps: the ids, in order. */
const taken = (before: readonly string[], steps: readonly WindowStep[]): string[] => {
  const rows = [...before];
  for (const step of steps) {
    if (step.type !== 'enter') rows.splice(step.previousIndex, 1);
    if (step.type !== 'leave') rows.splice(step.index, 0, step.document.uuid);
  }
  return rows;
};
const shown = (window: Window): string[] => window.shown.map(({ id }) => id);

const open = (limit: number): { window: Window; kept: Set<string> } => {
  const kept = new Set<string>();
  const window = createWindow(limit, {
    keep(given) {
      kept.add(given.id);
      return given;
    },
    drop: (id) => kept.delete(id),
  });
  return { window, kept };
};

const ids = Array.from({ length: 60 }, (_, index) => `d${String(index).padStart(2, '0')}`);
const change = fc.record({
  id: fc.constantFrom(...ids),
  place: fc.option(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { freq: 3 }),
  shown: fc.integer({ min: 1, max: 3 }),
});

describe('the window of a live query', () => {
  it('is the first rows of everything, after any changes, and its steps lead there', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), fc.array(change, { maxLength: 200 }), (limit, changes) => {
        const { window, kept } = open(limit);
        const all = new Map<string, LiveRow>();
        const sorted = (): LiveRow[] => [...all.values()].sort((one, other) => (one.place < other.place ? -1 : 1));
        let client: string[] = [];
        for (const one of changes) {
          const next = one.place === null ? null : row(one.id, one.place, one.shown);
          if (next === null) all.delete(one.id);
          else all.set(one.id, next);
          client = taken(client, window.apply(one.id, next));
          expect(client).to.deep.equal(shown(window));
          if (window.short) {
            const before = window.shown;
            const cap = limit + reserveOf(limit);
            const found = sorted().slice(0, cap);
            window.fill(found, found.length < cap ? null : found.at(-1)!.place);
            client = taken(client, stepsBetween(before, window.shown));
          }
          const expected = sorted().slice(0, limit);
          expect(client).to.deep.equal(expected.map(({ id }) => id));
          expect(kept.size)
            .to.be.at.least(Math.min(all.size, limit))
            .and.at.most(limit + 2 * reserveOf(limit));
        }
        window.clear();
        expect(kept.size).to.equal(0);
      }),
      { numRuns: 200 },
    );
  });

  it('tells nothing of a revision that clients may not see, and does of one that they may', () => {
    const { window } = open(3);
    window.apply('d1', row('d1', 'a', 1));
    expect(window.apply('d1', row('d1', 'a', 1))).to.deep.equal([]);
    expect(window.apply('d1', row('d1', 'a', 2))).to.have.length(1);
  });

  it('asks the store only when its reserve is used up', () => {
    const limit = 4;
    const { window } = open(limit);
    const many = ids.slice(0, limit + reserveOf(limit)).map((id) => row(id, 'a'));
    window.fill(many, many.at(-1)!.place);
    for (const { id } of many.slice(0, reserveOf(limit))) {
      window.apply(id, null);
      expect(window.short).to.equal(false);
    }
    window.apply(many.at(-1)!.id, null);
    expect(window.short).to.equal(true);
  });

  it('leads from any result to any other by steps', () => {
    const result = fc.uniqueArray(
      fc.record({ id: fc.constantFrom(...ids), place: fc.constantFrom('a', 'b', 'c'), shown: fc.integer({ min: 1, max: 2 }) }),
      { selector: ({ id }) => id, maxLength: 20 },
    );
    fc.assert(
      fc.property(result, result, (one, other) => {
        const [before, after] = [one, other].map((rows) => rows.map(({ id, place, shown: rev }) => row(id, place, rev)));
        const steps = stepsBetween(before!, after!);
        expect(
          taken(
            before!.map(({ id }) => id),
            steps,
          ),
        ).to.deep.equal(after!.map(({ id }) => id));
        const same = before!.length === after!.length && before!.every(({ id }, at) => after![at]!.id === id);
        const told = steps.flatMap((step) => (step.type === 'leave' ? [] : [step.document.uuid]));
        if (same) {
          const changed = before!.filter(
            ({ document }, at) => document._rollcall!.shown !== after![at]!.document._rollcall!.shown,
          );
          expect(told).to.deep.equal(changed.map(({ id }) => id));
        }
      }),
    );
  });
});
