import { expect } from 'chai';
import fc from 'fast-check';
import {
  lookUp,
  record,
  windowKey,
  WINDOW_ENTRIES,
  WINDOW_IDLE_MS,
  WINDOW_WIDTH,
  type RequestMemory,
} from '@rollcall/server/internal/data/repository/idempotency-window';

const after = (...counters: readonly number[]): RequestMemory =>
  counters.reduce<RequestMemory>((memory, counter) => record(memory, 'a', counter, 1_000), {});

describe('the request window', () => {
  it('knows a request that took effect, and no other', () => {
    const memory = after(5, 7, 6, 9);
    expect([4, 5, 6, 7, 8, 9, 10].map((counter) => lookUp(memory, 'a', counter, 0, 1_000))).to.deep.equal([
      'new',
      'repeated',
      'repeated',
      'repeated',
      'new',
      'repeated',
      'new',
    ]);
    expect(lookUp(memory, 'b', 5, 1, 1_000)).to.equal('new');
  });

  it('cannot tell what lies before it', () => {
    const memory = after(1, WINDOW_WIDTH);
    expect(lookUp(memory, 'a', 1, 1, 1_000)).to.equal('repeated');
    const moved = record(memory, 'a', WINDOW_WIDTH + 1, 1_000);
    expect(lookUp(moved, 'a', 1, 1, 1_000)).to.equal('unknown');
    expect(lookUp(moved, 'a', 2, 1, 1_000)).to.equal('new');
  });

  it('forgets everything else when a counter is far ahead', () => {
    const memory = after(1, 1_000_000);
    expect(lookUp(memory, 'a', 1_000_000, 1, 1_000)).to.equal('repeated');
    expect(lookUp(memory, 'a', 999_999, 1, 1_000)).to.equal('new');
  });

  it('is a set of the counters in reach of the highest, whatever their order', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(300), { maxLength: 80 }), fc.nat(400), (counters, asked) => {
        const took = new Set<number>();
        let memory: RequestMemory = {};
        let top = -1;
        for (const counter of counters) {
          if (lookUp(memory, 'a', counter, 0, 0) !== 'new') continue;
          memory = record(memory, 'a', counter, 0);
          took.add(counter);
          top = Math.max(top, counter);
        }
        const due = top - asked >= WINDOW_WIDTH ? 'unknown' : took.has(asked) ? 'repeated' : 'new';
        expect(lookUp(memory, 'a', asked, 1, 0)).to.equal(due);
      }),
    );
  });

  it('keeps 64 client instances, and says when it had to let a young one go', () => {
    let memory: RequestMemory = {};
    for (let index = 0; index < WINDOW_ENTRIES; index += 1) memory = record(memory, `k${index}`, 1, 1_000 + index);
    expect(memory.lost).to.equal(undefined);
    memory = record(memory, 'one more', 1, 2_000);
    expect(memory.window).to.have.length(WINDOW_ENTRIES);
    expect(memory.lost).to.equal(1_000);
    expect(lookUp(memory, 'k0', 1, 1, 3_000)).to.equal('unknown');
    expect(lookUp(memory, 'k0', 2, 0, 3_000)).to.equal('new');
    expect(lookUp(memory, 'k0', 1, 1, 1_000 + WINDOW_IDLE_MS)).to.equal('new');
  });

  it('lets the one go that was not used for longest', () => {
    let memory: RequestMemory = {};
    for (let index = 0; index < WINDOW_ENTRIES; index += 1) memory = record(memory, `k${index}`, 1, 1_000);
    memory = record(memory, 'k0', 2, 1_001);
    memory = record(memory, 'one more', 1, 1_002);
    expect(memory.window?.some(({ key }) => key === 'k0')).to.equal(true);
    expect(memory.window?.some(({ key }) => key === 'k1')).to.equal(false);
  });

  it('lets idle entries go without a trace', () => {
    let memory = record({}, 'a', 1, 0);
    memory = record(memory, 'b', 1, WINDOW_IDLE_MS);
    expect(memory).to.deep.equal({ window: [{ key: 'b', top: 1, bits: '1', usedAt: WINDOW_IDLE_MS }] });
  });

  it('names an instance by a keyed hash of actor and instance', () => {
    const secret = Buffer.alloc(32, 1);
    expect(windowKey(secret, 'actor', 'x')).to.match(/^[\w-]{22}$/);
    expect(windowKey(secret, 'actor', 'x')).to.not.equal(windowKey(secret, 'other', 'x'));
    expect(windowKey(secret, 'actor', 'x')).to.not.equal(windowKey(Buffer.alloc(32, 2), 'actor', 'x'));
  });
});
