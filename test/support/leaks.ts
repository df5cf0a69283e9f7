import { readdirSync, readlinkSync } from 'node:fs';
import { until } from './until.ts';

/** How long what was closed may take to go, in milliseconds. */
const graceMs = 5_000;

/** What keeps a process alive that it should have let go of, by Node's names. */
const kinds: ReadonlySet<string> = new Set([
  'TCPServerWrap',
  'TCPSocketWrap',
  'PipeServerWrap',
  'ProcessWrap',
  'Worker',
  'MessagePort',
  'FSEventWrap',
]);

/**
 * Embedded stores that are open in this process, by their locks; none where the system has no /proc.
 *
 * The data file says nothing: SQLite's package for Node 20 keeps a closed one until its statements are collected as garbage.
 */
const openStores = (): readonly string[] => {
  try {
    return readdirSync('/proc/self/fd')
      .map((name) => {
        try {
          return readlinkSync(`/proc/self/fd/${name}`);
        } catch {
          return '';
        }
      })
      .filter((path) => /-lock(?: \(deleted\))?$/.test(path));
  } catch {
    return [];
  }
};

/** Everything that is still open: servers, sockets, processes, stores. Timers are not counted: good ones and bad ones look alike. */
export const stillOpen = (): readonly string[] => [
  ...process.getActiveResourcesInfo().filter((kind) => kinds.has(kind)),
  ...openStores(),
];

/** Root hooks: after the last test nothing may be left open, or the run fails and names what it is. */
export const mochaHooks = {
  async afterAll(this: Mocha.Context): Promise<void> {
    this.timeout(graceMs * 2);
    try {
      await until(() => stillOpen().length === 0, graceMs);
    } catch {
      // The process would wait for them for ever: it is ended when the report is written.
      setTimeout(() => process.exit(1), graceMs).unref();
      throw new Error(`the tests have left open: ${stillOpen().join(', ')}`);
    }
  },
};
