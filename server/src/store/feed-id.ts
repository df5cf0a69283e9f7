import { isDuplicateKey } from './duplicate-key.ts';
import type { Store } from './port.ts';

/** The id of this store's feed: random, kept with the documents, so that a new store or a restored one has another (decisions, section 8). */
export const keptFeedId = async (store: Store, make: () => string): Promise<string> => {
  const rows = store.collection('keys');
  const made = make();
  try {
    await rows.insertOne({ _id: 'feed', check: made });
    return made;
  } catch (error) {
    if (!isDuplicateKey(error)) throw error;
    return (await rows.findOne({ _id: 'feed' }))?.check ?? made;
  }
};
