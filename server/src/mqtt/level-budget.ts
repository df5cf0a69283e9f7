/** How many levels filters may have: those of one owner, and all. */
export interface LevelBounds {
  readonly levelsPerOwner: number;
  readonly levels: number;
}

/** Counts the levels of filters that are in memory. */
export interface LevelBudget {
  /** May this owner have so many more? */
  admits(owner: string, levels: number): boolean;
  /** Adds levels to this owner's count. A negative number removes them. */
  count(owner: string, levels: number): void;
}

/** Nothing is counted yet. */
export const openLevelBudget = (bounds: LevelBounds): LevelBudget => {
  const byOwner = new Map<string, number>();
  let all = 0;
  return {
    admits: (owner, levels) => all + levels <= bounds.levels && (byOwner.get(owner) ?? 0) + levels <= bounds.levelsPerOwner,
    count(owner, levels) {
      const sum = (byOwner.get(owner) ?? 0) + levels;
      if (sum === 0) byOwner.delete(owner);
      else byOwner.set(owner, sum);
      all += levels;
    },
  };
};
