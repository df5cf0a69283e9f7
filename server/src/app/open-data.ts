import { randomBytes } from 'node:crypto';
import { type Clock } from '../common/clock.ts';
import { type Config } from './config.ts';
import { openHistory } from '../realtime/resume/history.ts';
import { openChangeFeed } from '../data/feed/change-feed.ts';
import { pushTable } from '../realtime/pushes/push-table.ts';
import { matchingPushes, topicsBy } from '../realtime/pushes/pushes.ts';
import { createIdempotentIds } from '../data/repository/idempotent-ids.ts';
import { openCache } from '../data/repository/cache.ts';
import { createRepository } from '../data/repository/repository.ts';
import { createKeyRing } from '../identity/keys/key-ring.ts';
import { StoreReplacedError, type Closers } from './restartable.ts';
import { type Maintenance } from '../backup/jobs.ts';
import { openNode, openSoleNode } from '../data/cluster/node.ts';
import { type Secrets } from '../identity/keys/secret-files.ts';
import { ensureIndexes } from '../data/indexes.ts';
import { createStoreGate } from '../data/store-gate.ts';
import type { Collections } from '../domain/documents/index.ts';
import { type OpenStore } from '../store/open.ts';
import type { Log } from '../common/log.ts';

/** What the parts of a registry are opened with. */
export interface DataOptions {
  readonly config: Pick<Config, 'resumeWindowMs' | 'resumeWindowChanges' | 'resumeWindowBytes'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly secrets: Secrets;
  readonly opened: OpenStore<Collections>;
  readonly maintenance: Maintenance;
  /** Closes this instance of the registry, because a restore replaces the store. */
  readonly leave: () => Promise<void>;
}

/**
 * Opens the change feed, the node and the repositories of devices and tokens, and makes the registry's keys. Pushes what has to be closed
 * to `closers`. Fails with `StoreReplacedError` if a restore has replaced the store meanwhile.
 */
export const openData = async ({ config, clock, log, secrets, opened, maintenance, leave }: DataOptions, closers: Closers) => {
  const { reserved, alone } = opened;
  const { id: feedId, origin } = await maintenance.settled();
  const feed = openChangeFeed({
    // Messages of an embedded store are gone with its process: a position of an earlier one is none of this feed.
    store: reserved,
    id: alone ? `${feedId}-${randomBytes(6).toString('base64url')}` : feedId,
    origin,
    clock,
    log,
    window: { ms: config.resumeWindowMs, changes: config.resumeWindowChanges, bytes: config.resumeWindowBytes },
    heartbeats: !alone,
  });
  closers.push(() => feed.close());
  const due = matchingPushes(pushTable);
  const history = openHistory(feed, topicsBy(due));
  closers.push(() => history.close());
  const cache = openCache({
    feed,
    collections: {
      devices: 'uuid',
      tokens: '_id',
      principals: '_id',
      credentials: '_id',
      roles: '_id',
      registry: '_id',
      certificates: '_id',
      registrations: '_id',
    },
    purged: new Set(['credentials']),
    log,
    clock,
  });
  closers.push(() => cache.close());
  const node = alone ? openSoleNode({ feed, clock, log }) : openNode({ store: reserved, feed, clock, log });
  closers.push(() => node.close());
  closers.push(() => maintenance.leaving(node));
  const gate = createStoreGate(opened.store);
  const { store } = gate;
  const quiet = new Promise<void>((resolve) => closers.push(() => gate.shut().then(resolve)));
  await node.ready;
  closers.push(node.addConsumer(maintenance.follow({ feedId, leave, quiet })));
  // Whatever began before this node was seen by the others began before this question.
  if (!(await maintenance.serves(feedId))) throw new StoreReplacedError();

  await ensureIndexes(store);
  const keys = await createKeyRing(store, secrets);
  const windowSecret = await keys.key('request-window');
  const idKey = await keys.key('derived-ids');
  const repositories = { store, feed, node, cache, clock, windowSecret };
  const devices = createRepository({ ...repositories, collection: 'devices', key: 'uuid' });
  const rootRows = createRepository({ ...repositories, collection: 'tokens', key: '_id' });
  const ids = createIdempotentIds(idKey);
  return { store, feed, due, history, cache, node, gate, keys, windowSecret, repositories, devices, rootRows, ids };
};
