/** The middle value; the mean of the two middle ones of an even number. NaN of nothing. */
export const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return ((sorted[Math.ceil(middle) - 1] ?? Number.NaN) + (sorted[Math.floor(middle)] ?? Number.NaN)) / 2;
};

/** The value that this share of sorted values does not exceed. */
export const quantile = (sorted: Float64Array, share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;

/** Two or more significant digits, no more than are meant. */
export const rounded = (value: number, digits = 3): number => Number(value.toPrecision(digits));

/** Runs the variants one after the other, and that so many times: what changes on the machine meanwhile meets all of them. */
export const interleaved = async <K extends string, R>(
  rounds: number,
  variants: Readonly<Record<K, () => Promise<R>>>,
): Promise<Record<K, R[]>> => {
  const names = Object.keys(variants) as K[];
  const results = Object.fromEntries(names.map((name) => [name, [] as R[]])) as Record<K, R[]>;
  for (let round = 0; round < rounds; round += 1) {
    for (const name of names) results[name].push(await variants[name]());
  }
  return results;
};

/** The median of the rounds' ratios: a round's two halves met nearly the same machine. */
export const ratio = (ours: readonly number[], raw: readonly number[]): number =>
  median(ours.map((value, round) => value / (raw[round] ?? Number.NaN)));
