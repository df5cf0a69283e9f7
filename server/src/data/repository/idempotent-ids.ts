import { createHmac, randomBytes, randomUUID } from 'node:crypto';
import type { RequestId } from '../../domain/revision.ts';

/** Makes ids and secrets. An id is derived from the request number if there is one, so that a retry finds its first attempt. */
export interface IdempotentIds {
  /** A UUID v4, random without a request. */
  uuid(operation: string, request: RequestId | null, index?: number): string;
  /** A Meshblu token: 20 random bytes as hex (MS-5.1). Never derived. */
  token(): string;
}

/** `key`: 32 secret bytes, the same on every node of one registry (ME-11). */
export const createIdempotentIds = (key: Buffer): IdempotentIds => ({
  uuid(operation, request, index = 0) {
    if (request === null) return randomUUID();
    const bytes = createHmac('sha256', key)
      .update(JSON.stringify([operation, request.actor, request.instance, request.counter, index]))
      .digest()
      .subarray(0, 16);
    bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
    bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
    const hex = bytes.toString('hex');
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  },
  token: () => randomBytes(20).toString('hex'),
});
