import { nanoid } from 'nanoid';
import type { Log } from '../../common/log.ts';

/** How long a shutdown may take, in milliseconds. */
const shutdownMs = 10_000;

/**
 * Ends this process in order: on SIGTERM and SIGINT with exit code 0, and with exit code 1 after an error that was not caught anywhere, which is
 * logged with an id first (docs/decisions/0015-what-an-uncaught-error-does.md).
 *
 * `close` tells clients, writes what is left and closes everything. It has 10 seconds; then the process ends with exit code 1.
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
  // Rejected promises that nothing handles come here too.
  process.on('uncaughtException', (error, origin) => {
    log.error({ id: nanoid(), err: error, origin }, 'an error was not caught; the process closes its connections and ends');
    end(1);
  });
};
