/** Number of single-character edits that turn one text into the other (Levenshtein distance). */
const distance = (one: string, other: string): number => {
  let row = Array.from({ length: other.length + 1 }, (_, at) => at);
  for (const [at, character] of Array.from(one).entries()) {
    const above = row;
    row = [at + 1];
    for (let column = 1; column <= other.length; column++)
      row.push(
        Math.min(
          (row[column - 1] ?? 0) + 1,
          (above[column] ?? 0) + 1,
          (above[column - 1] ?? 0) + (character === other[column - 1] ? 0 : 1),
        ),
      );
  }
  return row[other.length] ?? 0;
};

/** Up to five names that are close to a word, the nearest first. */
export const nearest = (word: string, names: readonly string[]): readonly string[] => {
  const wanted = word.toLowerCase();
  return names
    .map((name) => ({ name, by: distance(wanted, name.toLowerCase()), contains: name.toLowerCase().includes(wanted) }))
    .filter(({ name, by, contains }) => by <= name.length * 0.4 || (contains && wanted.length > 2))
    .sort((one, other) => one.by - other.by)
    .slice(0, 5)
    .map(({ name }) => name);
};

/** Error message for an unknown name, with similar names. */
export const unknownName = (kind: string, word: string, names: readonly string[]): string => {
  const near = nearest(word, names);
  return `There is no ${kind} '${word}'. ${near.length > 0 ? `Did you mean ${near.join(', ')}?` : `There are: ${names.join(', ')}.`}`;
};
