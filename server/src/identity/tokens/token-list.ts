import type { TokenInfo } from '@rollcall/client/contract';
import type { ListedToken } from './device-tokens.ts';

/** The tokens of a user, and which of them are worth something at a time. */
export interface TokenList {
  /** The same list each time, until one of them expires. */
  liveAt(now: number): readonly TokenInfo[];
}

/** The list of these tokens. */
export const tokenList = (all: readonly ListedToken[]): TokenList => {
  let live: readonly TokenInfo[] | undefined;
  let [from, until] = [0, 0];
  return {
    liveAt(now) {
      if (live !== undefined && now >= from && now < until) return live;
      const left = all.filter((one) => one.until > now);
      [from, until] = [now, left.reduce((first, one) => Math.min(first, one.until), Infinity)];
      return (live = Object.freeze(left.map(({ info }) => info)));
    },
  };
};
