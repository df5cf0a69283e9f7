import { RegistryError } from '@rollcall/client/contract';
import { digestOf, requestFingerprint } from '../../common/json/digest.ts';
import type { Call } from '../../operations/pipeline.ts';
import { requestIdPattern } from '../socketio/call-options.ts';

/** 1 to 255 characters, none of them a control character. */
const pattern = /^[\x20-\x7e\x80-\xff]{1,255}$/;

/**
 * The request that an `Idempotency-Key` names: `<client instance>:<counter>` as in the call option `reqId`, or any other key.
 *
 * `asked` is all that the request asks for: another one under the same key is a conflict. Fails with `invalid-input` if the key has
 * another form.
 */
export const requestOfKey = (key: string, asked: unknown): NonNullable<Call['request']> => {
  if (!pattern.test(key)) {
    const message = 'an idempotency key has 1 to 255 printable characters';
    throw new RegistryError('invalid-input', undefined, { details: [{ path: '/idempotency-key', rule: 'pattern', message }] });
  }
  const [, instance, counter] = requestIdPattern.exec(key) ?? [];
  // A repeat over HTTP does not say which one it is; a later one counts higher.
  const common = { again: Date.now(), fingerprint: requestFingerprint(asked) };
  if (instance !== undefined && counter !== undefined) return { instance, counter: Number(counter), ...common };
  // The blank keeps it apart from every client instance.
  return { instance: `key ${digestOf(key)}`, counter: 1, isKeyed: true, ...common };
};
