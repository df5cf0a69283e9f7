import { createHmac } from 'node:crypto';
import { RegistryError } from '@rollcall/client/contract';
import type { WindowEntry } from '../../domain/documents/metadata.ts';

/** Maximum number of client instances that one document remembers. */
export const WINDOW_ENTRIES = 64;
/** Counters that one entry remembers, from its highest one down. */
export const WINDOW_WIDTH = 64;
/** An entry may be removed after this time without use, in milliseconds. A client repeats a request for ten minutes at most. */
export const WINDOW_IDLE_MS = 15 * 60_000;

/** The idempotency window of a document, stored in its hidden field. Times are the feed's, in milliseconds. */
export interface RequestMemory {
  readonly window?: readonly WindowEntry[];
  readonly lost?: number;
}

/**
 * `new`: the request has not taken effect on the document. `repeated`: it has.
 * `other`: a different request with this number has taken effect.
 * `unknown`: the number lies before the window.
 */
export type IdempotencyResult = 'new' | 'repeated' | 'other' | 'unknown';

/** The name of one client instance of one actor in a window: a keyed hash, so that it can be neither forged nor read back. */
export const windowKey = (secret: Buffer, actor: string, instance: string): string =>
  createHmac('sha256', secret).update(`${actor}\0${instance}`).digest().subarray(0, 16).toString('base64url');

/** What a request asks for, as a short keyed hash: it may hold secrets. */
export const inputHash = (secret: Buffer, fingerprint: string): string =>
  createHmac('sha256', secret).update(fingerprint).digest().subarray(0, 9).toString('base64url');

/** The error for a request that reuses the number of another request. */
export const keyReused = (): RegistryError =>
  new RegistryError('conflict', 'The key was used for another request', {
    details: [{ path: '/idempotency-key', rule: 'unique', message: 'another request has used this key' }],
  });

/**
 * Whether this request has taken effect on the document with this `memory`.
 *
 * The rule is that of an anti-replay window (RFC 4303, section 3.4.3), except that what lies before the window is unknown
 * rather than refused. `again` counts the attempts: a first attempt cannot have been forgotten.
 * `input` is the hash of what the request asks for; it is compared if both sides have it.
 */
export const lookUp = (
  memory: RequestMemory,
  key: string,
  counter: number,
  again: number,
  now: number,
  input?: string,
): IdempotencyResult => {
  const entry = memory.window?.find((one) => one.key === key);
  if (entry === undefined) {
    return again > 0 && memory.lost !== undefined && now - memory.lost < WINDOW_IDLE_MS ? 'unknown' : 'new';
  }
  const age = entry.top - counter;
  if (age < 0) return 'new';
  if (age >= WINDOW_WIDTH) return 'unknown';
  if (((BigInt(`0x${entry.bits}`) >> BigInt(age)) & 1n) === 0n) return 'new';
  const isOther = age === 0 && input !== undefined && entry.input !== undefined && entry.input !== input;
  return isOther ? 'other' : 'repeated';
};

/** Adds a request to the window. Entries are ordered by last use. */
export const record = (memory: RequestMemory, key: string, counter: number, now: number, input?: string): RequestMemory => {
  const window: WindowEntry[] = [];
  let lost = memory.lost !== undefined && now - memory.lost < WINDOW_IDLE_MS ? memory.lost : undefined;
  let before: WindowEntry | undefined;
  for (const entry of memory.window ?? []) {
    if (entry.key === key) before = entry;
    else if (now - entry.usedAt < WINDOW_IDLE_MS) window.push(entry);
  }
  window.push(mark(before, key, counter, now, input));
  while (window.length > WINDOW_ENTRIES) {
    const { usedAt } = window.shift()!;
    lost = lost === undefined ? usedAt : Math.max(lost, usedAt);
  }
  return lost === undefined ? { window } : { window, lost };
};

const mark = (
  before: WindowEntry | undefined,
  key: string,
  counter: number,
  now: number,
  input: string | undefined,
): WindowEntry => {
  const asked = before !== undefined && counter < before.top ? before.input : input;
  const more = asked === undefined ? {} : { input: asked };
  if (before === undefined) return { key, top: counter, bits: '1', usedAt: now, ...more };
  const ahead = counter - before.top;
  const bits = BigInt(`0x${before.bits}`);
  const moved =
    ahead <= 0
      ? bits | (1n << BigInt(-ahead))
      : ahead >= WINDOW_WIDTH
        ? 1n
        : BigInt.asUintN(WINDOW_WIDTH, bits << BigInt(ahead)) | 1n;
  return { key, top: Math.max(before.top, counter), bits: moved.toString(16), usedAt: Math.max(before.usedAt, now), ...more };
};
