import { RegistryError } from '@rollcall/client/contract';

/** One message on its way: what listeners get, and to whom it goes. */
export interface Sent {
  /** Names the message: a keyed hash of sender and request, or random. */
  readonly id: string;
  /** The event by which it is delivered. */
  readonly event: 'message' | 'messageAck';
  /** The device it comes from. */
  readonly from: string;
  /** The devices it is addressed to. */
  readonly to: readonly string[];
  /** Whether the message also goes to the subscribers of the sender's broadcasts. */
  readonly broadcast: boolean;
  readonly topic: string | undefined;
  /** What the sender gave, as version 2 listeners get it. */
  readonly raw: Readonly<Record<string, unknown>>;
  /**
   * The id of the message that this one was forwarded from at first; missing if a client sent it.
   */
  readonly origin?: string;
  /** How many webhook requests it may cause, if it comes of one; missing otherwise. */
  readonly requestsLeft?: number;
}

/**
 * What subscribers and addressees get: the message with its sender, and all addressees as a list
 * (MS-2.16).
 */
export const messageBody = ({ raw, from, to, broadcast }: Sent): Readonly<Record<string, unknown>> => ({
  ...raw,
  devices: broadcast ? ['*', ...to] : [...to],
  fromUuid: from,
});

const everybody = new Set(['*', 'all']);

/** Reads the input of `message`; the caller decides who it comes from. */
export const readMessage = (
  input: Readonly<Record<string, unknown>> & { readonly devices: string | readonly string[] },
  from: string,
  id: string,
  event: Sent['event'] = 'message',
): Sent => {
  const { devices, token: _token, fromUuid: _fromUuid, ack, ...rest } = input;
  const named = typeof devices === 'string' ? [devices] : devices;
  const to = [...new Set(named.filter((uuid) => !everybody.has(uuid)))];
  const broadcast = to.length < new Set(named).size;
  const topic = input['topic'];
  const single = to.length === 1 && !broadcast;
  // An answer is asked of one addressee only (MS-2.16).
  const asks = ack !== undefined && (event === 'messageAck' || single);
  return {
    id,
    event,
    from,
    to,
    broadcast,
    topic: typeof topic === 'string' ? topic : undefined,
    raw: { devices, ...rest, ...(asks && { ack }) },
  };
};

/** Refuses what is larger than a message may be, in bytes of JSON. */
export const checkMessageSize = (sent: Sent, maxBytes: number): void => {
  if (Buffer.byteLength(JSON.stringify(sent.raw)) > maxBytes) {
    throw new RegistryError('too-large', `A message is larger than ${maxBytes} bytes`);
  }
};
