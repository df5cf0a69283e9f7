/** Random choices that depend on the seed alone, so that a run can be repeated exactly. */
export interface Random {
  /** A whole number from 0 to `below` - 1. */
  below(limit: number): number;
  chance(probability: number): boolean;
  pick<T>(list: readonly T[]): T;
  /** One of the alternatives, each as often as its weight says. */
  weighted<T>(alternatives: readonly (readonly [weight: number, alternative: T])[]): T;
  list<T>(length: number, make: () => T): T[];
}

/** A 32-bit generator (xorshift multiply) that starts from a seed. */
export function random(seed: number): Random {
  let state = (seed ^ 0x9e3779b9) >>> 0;

  function next(): number {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  const below = (limit: number) => Math.floor(next() * limit);
  return {
    below,
    chance: (probability) => next() < probability,
    pick: (list) => list[below(list.length)] as (typeof list)[number],
    weighted(alternatives) {
      let rest = next() * alternatives.reduce((sum, [weight]) => sum + weight, 0);
      for (const [weight, alternative] of alternatives) {
        rest -= weight;
        if (rest < 0) return alternative;
      }
      return (alternatives[alternatives.length - 1] as (typeof alternatives)[number])[1];
    },
    list: (length, make) => Array.from({ length }, make),
  };
}
