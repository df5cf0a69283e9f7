import type { Log } from '../../common/log.ts';

/** Longest chain of devices through which something is handed on. */
export const maxHops = 32;

/** Longest time that handing on keeps the event loop, in milliseconds. */
const sliceMs = 10;
/** Least time between two log lines about messages that were cut off, in milliseconds. */
const logPauseMs = 60_000;
/** Messages whose copies are on their way at the same time. The oldest is not handed on any further. */
const maxUnderWay = 10_000;

/** What one message or change may still become, and where it has been: shared by all messages that forwarding makes of it. */
interface Budget {
  left: number;
  /** Webhook requests that it may still cause, here or by what their receivers post back. */
  requestsLeft: number;
  isCutOff: boolean;
  readonly visited: Set<string>;
  /** Forwarded messages that are still to be delivered. */
  underWay: number;
}

/**
 * Bounds what becomes of one message or change on one node: how many deliveries, and each receiver once in a role.
 *
 * A receiver that is looked at costs one delivery, whether or not it is permitted: looking is the work.
 */
export interface Spread {
  /** Takes one delivery; false if there is none left. */
  spend(): boolean;
  /**
   * Takes one webhook request; answers how many more what its receiver posts back may cause, undefined if there is none left.
   *
   * Each request gets half of what is left, so all of a chain together are bounded without any memory of them, on however many nodes.
   */
  takeRequest(): number | undefined;
  /** How many webhook requests what a device hands on may cause. */
  readonly requestsLeft: number;
  /** Is this the first visit to this device in this role? Remembered for this message alone. */
  enter(role: string, uuid: string): boolean;
  has(role: string, uuid: string): boolean;
  /** The same for all messages that come from one. */
  enterOrigin(role: string, uuid: string): boolean;
  hasOrigin(role: string, uuid: string): boolean;
  /** Names the origin in a message that is made of this one; there is one more to come. */
  pass(): string;
  /** Yields to the event loop if handing on has kept it for long in this turn, whatever messages it was for. */
  rest(): Promise<void> | undefined;
  /** This message has been delivered. */
  done(): void;
}

/** The bounds of all messages on one node. */
export interface Spreads {
  /**
   * For a message that came in, or a change. `origin`: the name that a forwarded one carries. `requestsLeft`: what the webhook request left
   * to it that it came from.
   */
  begin(id: string, origin?: string, requestsLeft?: number): Spread;
  /** A forwarded message will not be delivered. */
  failed(origin: string): void;
  /** Messages and changes that had more deliveries to make than they may. */
  readonly cutOff: number;
}

/** Creates the bounds. `maxDeliveries`: of one message in all, with whatever forwarding makes of it. */
export const createSpreads = (options: {
  readonly maxDeliveries: number;
  readonly log: Pick<Log, 'warn'>;
  readonly now: () => number;
}): Spreads => {
  const { maxDeliveries, log, now } = options;
  const underWay = new Map<string, Budget>();
  let cutOff = 0;
  let logged = -Infinity;
  /** When handing on began in this turn of the event loop. */
  let begun: number | undefined;

  const rest = (): Promise<void> | undefined => {
    const present = performance.now();
    if (begun === undefined) {
      begun = present;
      setImmediate(() => (begun = undefined));
    }
    return present - begun < sliceMs ? undefined : new Promise((resolve) => setImmediate(resolve));
  };

  const release = (origin: string): void => {
    const budget = underWay.get(origin);
    if (budget !== undefined && (budget.underWay -= 1) <= 0) underWay.delete(origin);
  };

  const cut = (budget: Budget, origin: string): void => {
    if (budget.isCutOff) return;
    budget.isCutOff = true;
    cutOff += 1;
    if (now() - logged < logPauseMs) return;
    logged = now();
    log.warn({ message: origin, maxDeliveries, cutOff }, 'a message makes more deliveries than it may: the others are left out');
  };

  const budgetOf = (origin: string | undefined, requestsLeft: number): Budget => {
    const known = origin === undefined ? undefined : underWay.get(origin);
    if (known !== undefined) return known;
    const left = origin === undefined ? maxDeliveries : 0;
    return { left, requestsLeft: Math.min(left, requestsLeft), isCutOff: false, visited: new Set(), underWay: 0 };
  };

  return {
    begin(id, origin, requestsLeft = maxDeliveries) {
      const budget = budgetOf(origin, requestsLeft);
      const name = origin ?? id;
      let visited: Set<string> | undefined;
      const keyOf = (role: string, uuid: string): string => `${role} ${uuid}`;
      const enter = (set: Set<string>, key: string): boolean => set.size < set.add(key).size;
      return {
        spend() {
          if (budget.left > 0) return (budget.left -= 1) >= 0;
          cut(budget, name);
          return false;
        },
        takeRequest() {
          if (budget.requestsLeft <= 0) {
            cut(budget, name);
            return undefined;
          }
          const passed = Math.floor((budget.requestsLeft - 1) / 2);
          budget.requestsLeft -= 1 + passed;
          return passed;
        },
        get requestsLeft() {
          return budget.requestsLeft;
        },
        enter: (role, uuid) => enter((visited ??= new Set()), keyOf(role, uuid)),
        has: (role, uuid) => visited?.has(keyOf(role, uuid)) === true,
        enterOrigin: (role, uuid) => enter(budget.visited, keyOf(role, uuid)),
        hasOrigin: (role, uuid) => budget.visited.has(keyOf(role, uuid)),
        pass() {
          budget.underWay += 1;
          underWay.set(name, budget);
          if (underWay.size > maxUnderWay) for (const oldest of underWay.keys()) if (underWay.delete(oldest)) break;
          return name;
        },
        rest,
        done() {
          if (origin !== undefined) release(origin);
        },
      };
    },
    failed: release,
    get cutOff() {
      return cutOff;
    },
  };
};
