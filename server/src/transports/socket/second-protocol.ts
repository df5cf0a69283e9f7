import { RegistryError } from '@rollcall/client/contract';
import type { Socket } from 'socket.io';
import { isProperties } from '../../domain/properties.ts';
import type { Actor } from '../../actor.ts';
import type { SocketKit } from './socket.ts';

type Acknowledge = (answer: readonly unknown[]) => void;

const isAcknowledge = (value: unknown): value is Acknowledge => typeof value === 'function';

/** What is left of an update's query or parameters that is no object. */
const properties = (value: unknown): Readonly<Record<string, unknown>> => (isProperties(value) ? value : {});

/**
 * Serves a socket of Meshblu's second protocol: `identity` and `update` only, acknowledgements are one list `[error, result]`
 * (Meshblu reference, section 1.10). No presence.
 */
export const serveSecondProtocol = (socket: Socket, kit: SocketKit): void => {
  let actor: Actor | null = null;
  let stopWatching = (): void => undefined;
  socket.on('disconnect', () => stopWatching());

  const identity = async (shown: unknown): Promise<readonly unknown[]> => {
    const { uuid, token } = properties(shown);
    stopWatching();
    actor = await kit.authenticate({ uuid, token });
    if (actor === null) return [{ message: 'unauthorized', status: 401 }];
    stopWatching = kit.connections.watch(actor, () => {
      actor = null;
      kit.drop(socket);
    });
    return [null, { uuid }];
  };

  const update = async (argument: unknown): Promise<readonly unknown[]> => {
    const operation = kit.operations.get('documents:update');
    if (actor === null || operation === undefined) return [{ message: 'unauthorized', status: 403 }];
    const [query, params] = Array.isArray(argument) ? (argument as readonly unknown[]) : [];
    const { uuid } = properties(query);
    const input = { uuid: uuid ?? actor.uuid, update: properties(params) };
    await kit.dispatch(operation, { actor, from: actor.uuid, input });
    return [null];
  };

  const failed = (error: unknown): readonly unknown[] => {
    const { status, message, code } = kit.toRegistryError(error);
    if (code === 'rate') return [{ message: 'Rate Limit Exceeded', status }];
    if (code === 'forbidden') return [{ message: 'Device does not have sufficient permissions for update', status: 422 }];
    return [{ message, status }];
  };

  const answer = (event: string, values: unknown[]): void => {
    const last = values.at(-1);
    const acknowledge = isAcknowledge(last) ? last : undefined;
    const work =
      event === 'identity'
        ? identity(values[0])
        : event === 'update'
          ? update(values[0])
          : Promise.reject(new RegistryError('unknown-event'));
    work.then(
      (result) => acknowledge?.(result),
      (error: unknown) => {
        acknowledge?.(failed(error));
        if (kit.toRegistryError(error).code === 'rate') kit.drop(socket);
      },
    );
  };
  socket.onAny((event: string, ...values: unknown[]) => answer(event, values));
};
