/**
 * The names that were added last, a limited number of them. One that is not there any more was
 * added long ago, or never.
 */
export interface RecentSet {
  has(name: string): boolean;
  add(name: string): void;
}

/**
 * Opens it for so many. What it holds is all the memory that it takes: there may be one for each
 * connection.
 */
export const createRecentSet = (most: number): RecentSet => {
  const names = new Set<string>();
  return {
    has: (name) => names.has(name),
    add(name) {
      names.add(name);
      if (names.size > most) for (const oldest of names) return void names.delete(oldest);
    },
  };
};
