import { delay, withTimeLimit, type Clock } from '../../common/clock.ts';
import type { Position } from '../feed/position.ts';
import type { Log } from '../../common/log.ts';
import type { Store } from '../store.ts';
import { elapsed, instant, type Instant } from './fence.ts';
import type { NodeDocument } from '../../domain/documents/cluster.ts';

/** How often a lease is renewed, in milliseconds. */
export const RENEW_MS = 1_000;
/** How long one renewal may take before the next one is tried, in milliseconds. */
const LIMIT_MS = 2_000;
/** Maximum lag of the feed for a renewal to count, in milliseconds. */
const PROOF_MS = 2_000;

/** One renewal of the own lease: its number, when it was begun, and whether it counts. */
export interface Renewal {
  readonly number: number;
  readonly begun: Instant;
  readonly counts: boolean;
}

/** This node's lease. */
export interface Lease {
  /** Number of the newest renewal that was begun. */
  readonly number: number;
  /** Begins a renewal, now or after the one in progress. `asks`: the other nodes shall renew at once. */
  renew(asks?: boolean): void;
  /** This node's renewal with this number came back at a position of the feed. */
  returned(number: number, position: Position): void;
  /** All changes up to this position are processed. Returns this node's renewals that are newly covered by it. */
  carried(position: Position): Renewal[];
  /** Whether this node's renewals come back in time. */
  onTime(): boolean;
  close(): void;
}

export interface LeaseOptions {
  readonly id: string;
  readonly store: Pick<Store, 'collection'>;
  readonly clock: Clock;
  readonly log: Log;
  /** The position up to which this node has processed the feed. */
  at(): Position;
  /** A counting renewal is durable. */
  acknowledged(renewal: Renewal): void;
}

/** Renews the lease every second, beginning with the first `renew`. */
export const openLease = ({ id, store, clock, log, at, acknowledged }: LeaseOptions): Lease => {
  const leases = store.collection('nodes');
  const out = new Map<number, Renewal>();
  const back: { readonly renewal: Renewal; readonly position: Position }[] = [];
  let number = 0;
  /** The newest own renewal that `at` covers, and the newest that an earlier lease said so of. */
  let covered: Renewal | null = null;
  let proven = 0;
  let newestBack: Renewal | null = null;
  let underWay = 0;
  let follows = false;
  let asking = false;
  let closed = false;
  let stopBeat = (): void => undefined;

  const begin = (): Renewal => {
    number += 1;
    const begun = instant(clock);
    const counts = covered !== null && covered.number > proven && elapsed(clock, covered.begun) < PROOF_MS;
    proven = Math.max(proven, covered?.number ?? 0);
    const renewal = { number, begun, counts };
    out.set(number, renewal);
    return renewal;
  };

  /** Sends a renewal without waiting for the answer: a lost answer must not delay the next renewals. */
  const send = (): void => {
    if (closed) return;
    underWay += 1;
    follows = false;
    stopBeat();
    stopBeat = clock.after(RENEW_MS, send);
    const position = at();
    const renewal = begin();
    const lease: NodeDocument = {
      _id: id,
      renewal: renewal.number,
      at: position,
      counts: renewal.counts,
      ...(asking && { asks: true }),
    };
    asking = false;
    withTimeLimit(clock, LIMIT_MS, leases.replaceOne({ _id: id }, lease, { upsert: true }))
      .then(
        () => void (renewal.counts && acknowledged(renewal)),
        (error: unknown) => {
          asking ||= lease.asks === true;
          follows ||= asking;
          log.warn({ err: error }, 'the lease was not renewed');
          return delay(clock, 50);
        },
      )
      .finally(() => {
        underWay -= 1;
        if (follows) send();
      });
  };

  const renew = (asks = false): void => {
    asking ||= asks;
    if (underWay > 0) follows = true;
    else send();
  };

  return {
    get number() {
      return number;
    },
    renew,
    returned(which, position) {
      const renewal = out.get(which);
      if (renewal === undefined) return;
      for (const one of out.keys()) if (one <= which) out.delete(one);
      newestBack = renewal;
      back.push({ renewal, position });
    },
    carried(position) {
      const fresh: Renewal[] = [];
      while (back[0] && back[0].position <= position) fresh.push(back.shift()!.renewal);
      covered = fresh.at(-1) ?? covered;
      return fresh;
    },
    onTime() {
      if (newestBack === null || elapsed(clock, newestBack.begun) > 2 * RENEW_MS) return false;
      for (const renewal of out.values()) if (elapsed(clock, renewal.begun) > RENEW_MS) return false;
      return true;
    },
    close() {
      closed = true;
      stopBeat();
    },
  };
};
