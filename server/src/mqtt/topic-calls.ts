import type { Actor } from '../domain/actor.ts';
import type { Connection } from '../realtime/connections.ts';
import { isPlainObject } from '../common/plain-object.ts';
import { RegistryError } from '@rollcall/client/contract';
import type { Call } from '../operations/pipeline.ts';
import type { Result } from '../operations/handler.ts';
import type { TableOperation } from '../operations/operation-table.ts';
import { decodeUtf8 } from '../common/utf8.ts';
import type { ReadJson } from './registry-bridge.ts';
import type { JobTopic } from '../domain/topic-rights.ts';

/** The answer to a call, published on the client's own topic. */
export interface TopicAnswer {
  readonly payload: string;
}

/**
 * Runs the call that a Meshblu client makes by publishing on one of Meshblu's topics (DM-5).
 * All its writes are done when it resolves. The function it gives applies the revocations and
 * returns the answer, if any.
 */
export type TopicCalls = (
  actor: Actor,
  connection: Connection,
  topic: JobTopic,
  payload: Buffer,
) => Promise<() => Promise<TopicAnswer | undefined>>;

/** What the calls need. */
export interface TopicCallsOptions {
  readonly operations: ReadonlyMap<string, TableOperation>;
  readonly dispatch: (operation: TableOperation, call: Call) => Promise<Result<unknown>>;
  readonly applyRevocations: (handled: Result<unknown>, asking: Connection) => Promise<boolean>;
  readonly toRegistryError: (error: unknown) => RegistryError;
  readonly readJson: ReadJson;
}

/** The argument of a call: an object, or for the calls that take one a uuid as text. Fails with `invalid-input`. */
const argumentOf = (payload: Buffer, readJson: ReadJson): Readonly<Record<string, unknown>> => {
  const text = decodeUtf8(payload).trim();
  if (text === '') return {};
  if (!/^["[{]/.test(text)) return { uuid: text };
  const value = readJson(text);
  if (isPlainObject(value)) return value;
  return typeof value === 'string' ? { uuid: value } : {};
};

/** Longest payload of a call other than a message to devices, in bytes. */
const maxInputBytes = 131_072;

/** Calls that default to the caller as their subject. */
const aboutSelf = new Set<JobTopic>(['update', 'generateAndStoreToken', 'resetToken', 'getPublicKey']);

/** Creates the calls. */
export const createTopicCalls =
  ({ operations, dispatch, applyRevocations, toRegistryError, readJson }: TopicCallsOptions): TopicCalls =>
  async (actor, connection, topic, payload) => {
    let callbackId: unknown;
    const answer = (name: string, data: unknown): TopicAnswer => ({
      payload: JSON.stringify({ topic: name, data, ...(callbackId !== undefined && { _request: { callbackId } }) }),
    });
    const operation = operations.get(topic);
    const failed = (error: unknown) => {
      const { message, status, code } = toRegistryError(error);
      return async () => answer('error', { message, status, code });
    };
    if (operation === undefined) return failed(new RegistryError('unknown-event'));
    if (topic !== 'message' && payload.length > maxInputBytes) return failed(new RegistryError('too-large'));
    try {
      const { callbackId: named, ...given } = argumentOf(payload, readJson);
      callbackId = named;
      const input = aboutSelf.has(topic) && given['uuid'] === undefined ? { ...given, uuid: actor.uuid } : given;
      const handled = await dispatch(operation, { actor, from: actor.uuid, input, connection });
      return async () => {
        try {
          if (await applyRevocations(handled, connection)) void connection.end();
        } catch (error) {
          return failed(error)();
        }
        // A message without a callback is not answered.
        return topic === 'message' && callbackId === undefined ? undefined : answer(topic, handled.output);
      };
    } catch (error) {
      return failed(error);
    }
  };
