import { RegistryError } from '@rollcall/client/contract';
import type { Socket } from 'socket.io';
import { isPlainObject } from '../../common/plain-object.ts';
import type { Actor } from '../../operations/handler.ts';
import { guarded, splitArguments } from './events.ts';
import { createIntake } from './intake.ts';
import { Rejected } from './packet.ts';
import type { SocketKit } from './kit.ts';

/** What is left of an update's query or parameters that is no object. */
const properties = (value: unknown): Readonly<Record<string, unknown>> => (isPlainObject(value) ? value : {});

/**
 * Serves a socket of Meshblu's second protocol: `identity` and `update` only, acknowledgements are one list `[error, result]`
 * (MS-1.10). No presence.
 */
export const serveProtocolV2 = (socket: Socket, kit: SocketKit): void => {
  let actor: Actor | null = null;
  let stopWatching = (): void => undefined;
  socket.on('disconnect', (reason) => {
    const leave = (): void => {
      stopWatching();
      actor = null;
    };
    if (reason.startsWith('server ')) intake.clear();
    intake.whenIdle(leave);
  });

  const identity = async (shown: unknown): Promise<readonly unknown[]> => {
    const { uuid, token } = properties(shown);
    stopWatching();
    actor = await kit.authenticate({ uuid, token, address: kit.clientAddress(socket.request) });
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

  const failed = ({ status, message, code }: RegistryError): readonly unknown[] => {
    if (code === 'rate') return [{ message: 'Rate Limit Exceeded', status }];
    if (code === 'forbidden') return [{ message: 'Device does not have sufficient permissions for update', status: 422 }];
    return [{ message, status }];
  };

  const refuse = (kind: string): void => {
    kit.refused(kind);
    intake.clear();
    kit.drop(socket);
  };

  const carryOut = async (event: string, argument: unknown): Promise<readonly unknown[]> => {
    if (argument instanceof Rejected) throw new RegistryError('invalid-input', undefined, { details: argument.details });
    if (event === 'identity') return identity(argument);
    if (event === 'update') return update(argument);
    throw new RegistryError('unknown-event');
  };

  const intake = createIntake(socket.conn, { onOverflow: () => refuse('intake-overflow'), report: kit.report });
  guarded(socket, kit, (event, values) => {
    const { args, acknowledge } = splitArguments(values);
    intake.enqueue(async () => {
      try {
        const result = await carryOut(event, args[0]);
        acknowledge?.(result);
      } catch (error) {
        const failure = kit.toRegistryError(error);
        acknowledge?.(failed(failure));
        if (acknowledge === undefined) kit.refused('unacknowledged-call');
        if (failure.code === 'rate') refuse('call-rate');
        else if (acknowledge === undefined && failure.retry) refuse('lost-call');
      }
    });
  });
};
