import type { Socket } from 'socket.io';

/** A callback that a client waits for. */
export type Acknowledge = (...answer: readonly unknown[]) => void;

const isAcknowledge = (value: unknown): value is Acknowledge => typeof value === 'function';

/**
 * The arguments of an event, and its acknowledgement if it has one. Published Meshblu clients send null for a callback that was not given, so
 * that null and undefined at the end are no arguments.
 */
export const splitArguments = (
  values: readonly unknown[],
): { readonly args: readonly unknown[]; readonly acknowledge: Acknowledge | undefined } => {
  const last = values.at(-1);
  const acknowledge = isAcknowledge(last) ? last : undefined;
  let count = acknowledge === undefined ? values.length : values.length - 1;
  while (count > 0 && (values[count - 1] ?? null) === null) count -= 1;
  return { args: values.slice(0, count), acknowledge };
};

/** Listens to every event of a socket. An error that is thrown on the way ends this connection and no other. */
export const guarded = (
  socket: Socket,
  { report, drop }: { report(error: unknown): void; drop(socket: Socket): void },
  listener: (event: string, values: readonly unknown[]) => void,
): void => {
  socket.onAny((event: string, ...values: readonly unknown[]) => {
    try {
      listener(event, values);
    } catch (error) {
      report(error);
      drop(socket);
    }
  });
};
