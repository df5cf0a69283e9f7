import type { Clock } from '../../common/clock.ts';
import type { Position } from '../feed/position.ts';
import type { NodeDocument } from '../../domain/documents/cluster.ts';

/** A node counts as dead this long after its last valid renewal was seen, in milliseconds of the observer's monotonic clock. */
const DEAD_MS = 6_000;
/** The lease of a node that is dead for this long is removed, in milliseconds. */
const FORGET_MS = 600_000;

/** A node that has given up its lease is remembered for this long, in milliseconds: what it had written may still come. */
const LEFT_MS = 60_000;

/** The other nodes, by their leases. */
export interface Peers {
  /** A lease was read or came by the feed. */
  see(lease: NodeDocument): void;
  /** A lease was given up. */
  leave(id: string): void;
  lives(id: string): boolean;
  /** Whether no other node is alive. */
  none(): boolean;
  /** When a sign of life of that node was last seen, in milliseconds since 1970 by this host's clock; undefined if never. */
  seenAt(id: string): number | undefined;
  /** Nodes that are dead, or have given up their leases lately. */
  gone(): string[];
  /** Whether every other node has processed the feed up to this position or is dead. */
  past(position: Position): boolean;
  /** Restarts all timers after a pause of this node, which may have missed renewals. */
  countAnew(): void;
  /** Nodes dead for so long that their leases may be removed. */
  forgotten(): string[];
}

/**
 * `fit` tells whether this node may call another one dead: only while it serves and its own feed is on time, otherwise it is
 * this node that has missed the other's renewals.
 */
export const createPeers = (clock: Clock, fit: () => boolean): Peers => {
  const known = new Map<string, { at: Position; renewal: number; seen: number }>();
  const left = new Map<string, number>();
  const isDead = ({ seen }: { readonly seen: number }): boolean => clock.monotonic() - seen > DEAD_MS && fit();

  return {
    see({ _id, at, renewal, counts }) {
      const peer = known.get(_id);
      if (peer === undefined) known.set(_id, { at, renewal, seen: clock.monotonic() });
      else {
        if (at > peer.at) peer.at = at;
        if (counts && renewal > peer.renewal) peer.seen = clock.monotonic();
        if (renewal > peer.renewal) peer.renewal = renewal;
      }
    },
    leave(id) {
      known.delete(id);
      left.set(id, clock.monotonic());
    },
    lives(id) {
      const peer = known.get(id);
      return peer !== undefined && !isDead(peer);
    },
    none: () => [...known.values()].every(isDead),
    seenAt(id) {
      const peer = known.get(id);
      return peer && Math.round(clock.now() - (clock.monotonic() - peer.seen));
    },
    gone() {
      const recent = clock.monotonic() - LEFT_MS;
      for (const [id, at] of left) if (at < recent) left.delete(id);
      return [...left.keys(), ...[...known].filter(([, peer]) => isDead(peer)).map(([id]) => id)];
    },
    past: (position) => [...known.values()].every((peer) => peer.at >= position || isDead(peer)),
    countAnew() {
      const now = clock.monotonic();
      for (const peer of known.values()) peer.seen = now;
    },
    forgotten: () => [...known].filter(([, peer]) => isDead(peer) && clock.monotonic() - peer.seen > FORGET_MS).map(([id]) => id),
  };
};
