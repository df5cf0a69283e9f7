import type { Clock } from '../../common/clock.ts';
import type { ChangeFeed } from '../../data/feed/change-feed.ts';
import type { Repository } from '../../data/repository/types.ts';
import type { RecordOfRegistry } from '../../domain/documents/registration.ts';

/** When strangers may ask to become users: closed until it is opened for a while, the same on every node. */
export interface RegistrationWindow {
  /** Is it open now? Asked of the store. */
  isOpen(): Promise<boolean>;
  /** Open for so long from now; in the place of what was before. */
  open(ms: number): Promise<void>;
  close(): Promise<void>;
}

const id = 'client-registry';

/** The feed's clock counts seconds, and may be one behind. */
const coarseMs = 2_000;

/**
 * Opens it. A node counts from the moment at which it saw the record, on its own monotonic clock: that is exact, whatever the hosts' clocks
 * show. A node that came later sees the record later; the feed's clock bounds what it makes of that.
 */
export const openRegistrationWindow = (options: {
  readonly records: Repository<RecordOfRegistry>;
  readonly feed: Pick<ChangeFeed, 'subscribe' | 'time'>;
  readonly clock: Pick<Clock, 'monotonic'>;
}): RegistrationWindow => {
  const { records, feed, clock } = options;
  let seen = { rev: -1, at: 0 };

  const note = ({ _rollcall: hidden }: RecordOfRegistry): void => {
    const rev = hidden?.rev ?? 0;
    if (rev > seen.rev) seen = { rev, at: clock.monotonic() };
  };

  feed.subscribe(({ collection, document }) => {
    if (collection === 'registry' && document?.['_id'] === id) note(document as RecordOfRegistry);
  });

  const set = async (ms: number): Promise<void> => {
    const { document } = await records.update(id, null, (before) => ({
      next: { ...before, _id: id, uuids: [], window: { openedAt: feed.time(), ms } },
      visible: true,
    }));
    note(document);
  };

  return {
    async isOpen() {
      const record = await records.getFresh(id);
      if (record?.window === undefined) return false;
      note(record);
      const { openedAt, ms } = record.window;
      return clock.monotonic() - seen.at < ms && feed.time() - openedAt < ms + coarseMs;
    },
    open: set,
    close: () => set(0),
  };
};
