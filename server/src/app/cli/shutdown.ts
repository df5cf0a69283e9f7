import { nanoid } from 'nanoid';
import type { Log } from '../../common/log.ts';

/** Maximum duration of a shutdown, in milliseconds. */
const shutdownMs = 10_000;

/**
 * Shuts this process down on SIGTERM and SIGINT (exit code 0) and after an uncaught error (exit
 * code 1).
 * An uncaught error is logged with an id first
 * (docs/decisions/0015-what-an-uncaught-error-does.md).
 * `close` notifies clients, writes pending data and closes everything.
 * After 10 seconds the process exits with code 1.
 */
export const closeAtEnd = (close: () => Promise<void>, log: Log): void => {
  let ending = false;
  const end = (code: number): void => {
    if (ending) return;
    ending = true;
    setTimeout(() => process.exit(1), shutdownMs).unref();
    void close().then(
      () => process.exit(code),
      () => process.exit(1),
    );
  };
  process.on('SIGTERM', () => end(0));
  process.on('SIGINT', () => end(0));
  // Unhandled rejections arrive here too.
  process.on('uncaughtException', (error, origin) => {
    log.error({ id: nanoid(), err: error, origin }, 'an error was not caught; the process closes its connections and ends');
    end(1);
  });
};
