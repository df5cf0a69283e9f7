import { LRUCache } from 'lru-cache';
import type { Clock } from '../common/clock.ts';
import type { Log } from '../common/log.ts';

/** A client is logged at most once in this time, in milliseconds. */
const logPauseMs = 60_000;
/** Of how many clients it is known when they were logged. */
const maxClients = 10_000;

/** Counts messages that clients published where they may not, and logs them once a minute for each client. */
export const createDeniedPublishes = (options: {
  readonly count: (kind: string) => void;
  readonly log: Log;
  readonly clock: Pick<Clock, 'now'>;
}): ((clientId: string, topic: string) => void) => {
  const { count, log, clock } = options;
  const loggedAt = new LRUCache<string, number>({ max: maxClients });
  return (clientId, topic) => {
    count('mqtt-publish');
    const now = clock.now();
    if (now - (loggedAt.get(clientId) ?? Number.NEGATIVE_INFINITY) < logPauseMs) return;
    loggedAt.set(clientId, now);
    log.warn({ clientId, topic }, 'an MQTT client published to a topic that it may not publish to');
  };
};
