import { outgoingValue } from './device-view.ts';
import type { TokenDocument } from './documents/token.ts';

/** A token as its owner sees it: everything but the hash (MS-2.13). */
export const outgoingToken = ({ uuid, metadata, root, expiresOn }: TokenDocument) => ({
  uuid,
  metadata: outgoingValue(metadata) as Record<string, unknown>,
  ...(root === true && { root }),
  ...(expiresOn instanceof Date && { expiresOn: expiresOn.toISOString() }),
});
