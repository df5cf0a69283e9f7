import { errors, type RegistryError } from '@rollcall/client/contract';
import { isPlainObject } from '../../common/plain-object.ts';

/** How Meshblu clients call and are answered over Socket.IO (MS-0.3, MS-2): their forms of argument and of failure. */

/** Events for which a plain text stands for `{ uuid: text }`. */
const takesUuid = new Set(['resetToken', 'getPublicKey', 'subscribe', 'unsubscribe', 'device', 'unregister', 'claimdevice']);

/** Events whose failure names the device and the status. */
const namesDevice = new Set(['update', 'claimdevice']);

/** Questions about records, whose credentials are their subject (MS-2.19). */
const asksRecords = new Set(['getdata', 'events']);

/** Text calls of 2014, swallowed (MS-2.20). */
const swallowed = new Set(['tb', 'directText', 'subscribeText', 'unsubscribeText']);

/** A call in the contract's terms. */
export interface Translated {
  readonly event: string;
  readonly input: unknown;
  readonly as?: string;
}

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

/** The call that a Meshblu client means by this event and argument; anything that is no object counts as `{}`. */
export const translate = (event: string, argument: unknown): Translated => {
  if (typeof argument === 'string' && takesUuid.has(event)) return { event, input: { uuid: argument } };
  if (!isPlainObject(argument)) return { event, input: {} };
  if (event !== 'updateas') return { event, input: argument };
  const metadata = isPlainObject(argument['metadata']) ? argument['metadata'] : {};
  const from = text(metadata['fromUuid']);
  const data = isPlainObject(argument['data']) ? argument['data'] : {};
  return { event: 'update', input: { ...data, uuid: metadata['toUuid'] ?? '' }, ...(from !== undefined && { as: from }) };
};

/** Is it an event that is accepted and ignored? */
export const isSwallowed = (event: string): boolean => swallowed.has(event);

const responseId = (argument: unknown): unknown =>
  isPlainObject(argument) && isPlainObject(argument['metadata']) ? (argument['metadata']['responseId'] ?? null) : null;

/** The arguments of the acknowledgement of a success. */
export const succeedOnSocket = (event: string, argument: unknown, output: unknown): readonly unknown[] => {
  if (event === 'getPublicKey' && typeof argument === 'string') return [null, isPlainObject(output) ? output['publicKey'] : null];
  if (event === 'revokeTokenByQuery' || event === 'message' || event === 'messageAck') return [null];
  if (event === 'data') return [];
  if (event === 'updateas') return [{ metadata: { code: 204, status: 'No Content', responseId: responseId(argument) } }];
  return [output];
};

/** The arguments of the acknowledgement of a failure; `own` is the caller's uuid. */
export const failOnSocket = (
  event: string,
  argument: unknown,
  error: RegistryError,
  own: string | undefined,
): readonly unknown[] => {
  const phrase = errors[error.code].message;
  if (event === 'getPublicKey' && typeof argument === 'string') return [{ message: error.message }];
  if (event === 'updateas') return [{ metadata: { code: error.status, status: phrase, responseId: responseId(argument) } }];
  if (asksRecords.has(event) && error.code === 'forbidden') return [{ api: event, result: false }];
  if (event === 'events' && error.code === 'not-found') return [{ error: { message: error.message, code: 404 } }];
  if (namesDevice.has(event) && error.code !== 'unauthenticated') {
    const named = typeof argument === 'string' ? argument : isPlainObject(argument) ? argument['uuid'] : undefined;
    return [{ uuid: named ?? own, status: error.status, error: phrase }];
  }
  return [{ error: phrase }];
};
