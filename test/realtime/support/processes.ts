import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { until } from '../../support/until.ts';

const main = fileURLToPath(import.meta.resolve('@rollcall/server/internal/app/main'));

/** A registry that runs in a process of its own. */
export interface NodeProcess {
  readonly url: string;
  readonly pid: number;
  /** Is it no more? */
  readonly ended: boolean;
  /** Sends it a signal: SIGKILL, SIGSTOP, SIGCONT. */
  signal(name: NodeJS.Signals): void;
  /** Ends it in an orderly way; kills what does not end. */
  stop(): Promise<void>;
}

/** The URL of a new, empty database on a MongoDB. */
export const freshDatabase = (uri: string): string =>
  uri.replace(/^(mongodb:\/\/[^/]+)\/[^?]*/, (_whole, hosts: string) => `${hosts}/rollcall_${randomUUID().slice(0, 8)}`);

const running = new Set<ChildProcess>();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

/** Starts `node server/dist/app/main.js` with these settings beside those of a test, and waits until it serves. */
export const startProcess = async (settings: Readonly<Record<string, string>>): Promise<NodeProcess> => {
  const child = spawn(process.execPath, [main], {
    env: {
      PATH: process.env['PATH'],
      ROLLCALL_PORT: '0',
      ROLLCALL_CALLS_PER_MINUTE: '0',
      ROLLCALL_LOG_LEVEL: 'fatal',
      ROLLCALL_PEPPER: 'im-a-pepper',
      ROLLCALL_SECRET: 'a secret of the tests',
      ...settings,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  running.add(child);
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  void ended.then(() => running.delete(child));
  let printed = '';
  child.stdout.on('data', (text: Buffer) => (printed += text.toString()));
  const ready = /^rollcall ready (\S+)$/m;
  await until(() => {
    if (child.exitCode !== null) throw new Error(`the registry ended with ${child.exitCode}`);
    return ready.test(printed);
  }, 30_000);
  return {
    url: ready.exec(printed)?.[1] ?? '',
    pid: child.pid ?? 0,
    get ended() {
      return child.exitCode !== null || child.signalCode !== null;
    },
    signal: (name) => void child.kill(name),
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGCONT');
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
      await ended;
      clearTimeout(timer);
    },
  };
};

/** Starts a node on this database of a MongoDB. */
export const startNode = (mongodbUrl: string, settings: Readonly<Record<string, string>> = {}): Promise<NodeProcess> =>
  startProcess({ ROLLCALL_MONGODB_URL: mongodbUrl, ROLLCALL_DATA_DIR: ':memory:', ...settings });
