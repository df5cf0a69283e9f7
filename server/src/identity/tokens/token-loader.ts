import type { Filter } from 'mongodb';
import type { Store } from '../../data/store.ts';
import type { TokenDocument } from '../../domain/documents/token.ts';
import { batchLoader } from '../../common/batch-loader.ts';

/** One token row by device and hash; null if there is none or it is gone. Rows that are asked for together come by one query. */
export const createTokenLoader = (
  store: Pick<Store, 'collection'>,
): ((uuid: string, hashedToken: string) => Promise<TokenDocument | null>) => {
  const tokens = store.collection('tokens');
  const nameOf = (row: { uuid: string; hashedToken: string }): string => `${row.uuid}\0${row.hashedToken}`;
  const load = batchLoader<{ uuid: string; hashedToken: string }, TokenDocument>(async (keys) => {
    const filter = {
      uuid: { $in: [...new Set(keys.map((key) => key.uuid))] },
      hashedToken: { $in: keys.map((key) => key.hashedToken) },
    };
    const rows = await tokens
      .find(filter as Filter<TokenDocument>, { readConcern: { level: 'majority' }, promoteLongs: false, maxTimeMS: 4_000 })
      .toArray();
    return new Map(rows.filter((row) => row._rollcall?.gone === undefined).map((row) => [nameOf(row), row]));
  }, nameOf);
  return async (uuid, hashedToken) => (await load({ uuid, hashedToken })) ?? null;
};
