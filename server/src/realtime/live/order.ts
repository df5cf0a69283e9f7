import type { Document } from 'mongodb';
import { entriesOf, inverted, keyTextOf, type KeyDirection } from '../../store/embedded/index-keys.ts';
import { encodeKey } from '../../mql/index.ts';

/** Where documents stand in a result. */
export interface LiveOrder {
  /** The same for the store. */
  readonly sort: Readonly<Record<string, KeyDirection>>;
  /** A text for each document; texts compare as the documents stand, and no two documents have the same. */
  placeOf(document: Document): string;
}

const nothing = encodeKey(null);

/** The place by one path: arrays stand by their smallest element upwards and by their largest downwards, what is missing as null. */
const placeBy = (document: Document, path: string, direction: KeyDirection): string => {
  const { list } = entriesOf(document, [[path, 1]]);
  let best: Uint8Array | undefined;
  for (const { key } of list) {
    if (best === undefined || Math.sign(Buffer.compare(key, best)) === -direction) best = key;
  }
  const key = best ?? nothing;
  return keyTextOf(direction === 1 ? key : inverted(key));
};

/** The order by these paths, and by uuid where they leave it open. */
export const orderBy = (sort: Readonly<Record<string, KeyDirection>>): LiveOrder => {
  const whole = 'uuid' in sort ? sort : { ...sort, uuid: 1 as const };
  const parts = Object.entries(whole);
  return {
    sort: whole,
    placeOf: (document) => parts.map(([path, direction]) => placeBy(document, path, direction)).join(''),
  };
};
