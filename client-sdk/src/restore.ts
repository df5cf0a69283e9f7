import type { Backoff } from './backoff.ts';
import { pause } from './backoff.ts';
import type { RegistryError } from './contract/errors.ts';
import { isFailure } from './contract/errors.ts';
import { toError } from './failure.ts';
import { after } from './options.ts';
import type { Subscription, Subscriptions } from './subscriptions.ts';

/** Sends a call on the connection that has just been made. */
export type Send = (event: string, input: unknown, answer: (result: unknown) => void) => void;

/** Subscriptions in one call: as many, and as many characters of JSON, as the server takes. */
const mostInCall = 200;
const mostCharacters = 60_000;

const batches = (all: readonly Subscription[]): readonly (readonly Subscription[])[] => {
  const made: Subscription[][] = [];
  let room = 0;
  for (const one of all) {
    const size = JSON.stringify(one).length;
    const last = made.at(-1);
    if (last === undefined || last.length === mostInCall || size > room) {
      made.push([one]);
      room = mostCharacters - size;
    } else {
      last.push(one);
      room -= size;
    }
  }
  return made;
};

/** The answer of a call, sent again as long as a repeat may help. */
const ask = (send: Send, event: string, input: unknown, backoff: Backoff): Promise<Record<string, unknown> | RegistryError> =>
  new Promise((resolve) => {
    let attempt = 0;
    const once = (): void =>
      send(event, input, (result) => {
        if (!isFailure(result)) return resolve(result as Record<string, unknown>);
        const error = toError(result);
        if (!error.retry || error.code === 'rate') return resolve(error);
        after(pause(attempt++, backoff), once);
      });
    once();
  });

/**
 * Makes a new connection what the lost one was: listens to the same devices, and is sent what was missed after `cursor`, or told `resync`.
 *
 * Resolves when that is done, with false if the server could not do even the latter; never if the connection is lost meanwhile. Subscriptions
 * of which nothing is permitted any more are forgotten.
 */
export const restore = async (
  send: Send,
  subscriptions: Subscriptions,
  cursor: string | undefined,
  backoff: Backoff,
): Promise<boolean> => {
  const asked = batches(subscriptions.all).map(async (batch) => {
    const answer = await ask(send, 'feed:restore', { subscriptions: batch }, backoff);
    const refused = 'refused' in answer && Array.isArray(answer.refused) ? (answer.refused as readonly unknown[]) : [];
    subscriptions.forget(batch.filter((_, index) => refused.includes(index)));
  });
  await Promise.all(asked);
  if (cursor === undefined) return true;
  return !((await ask(send, 'feed:resume', { cursor }, backoff)) instanceof Error);
};
