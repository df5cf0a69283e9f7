import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { until } from '../../support/until.ts';

/** Why the clients of mosquitto cannot be run here; undefined if they can. */
export const mosquittoMissing = (): string | undefined =>
  spawnSync('mosquitto_pub', ['--help']).error === undefined
    ? undefined
    : 'mosquitto_pub and mosquitto_sub are not installed (Debian package mosquitto-clients)';

/** What came of a command. */
export interface Ran {
  readonly status: number | null;
  /** What it printed, on both ways out. */
  readonly text: string;
}

const running = new Set<ChildProcess>();

/** Ends whatever a test has left running. */
export const endMosquitto = (): void => {
  for (const child of running) child.kill('SIGKILL');
};

const start = (command: string, args: readonly string[]) => {
  // Into a pipe it would print in blocks.
  const child = spawn('stdbuf', ['-oL', command, ...args]);
  running.add(child);
  const out = { text: '' };
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (out.text += chunk.toString()));
  const ended = new Promise<Ran>((resolve) =>
    child.on('close', (status) => {
      running.delete(child);
      resolve({ status, text: out.text });
    }),
  );
  return { child, out, ended };
};

/** Runs a command to its end. */
export const mosquitto = (command: 'mosquitto_pub' | 'mosquitto_sub', ...args: readonly string[]): Promise<Ran> =>
  start(command, args).ended;

/** Publishes, or tries to. */
export const mosquittoPub = (...args: readonly string[]): Promise<Ran> => mosquitto('mosquitto_pub', ...args);

/** One `mosquitto_sub` that has subscribed. */
export interface Subscriber {
  /** The messages that came, each as `TOPIC PAYLOAD`. */
  messages(): readonly string[];
  /** Waits for so many messages. */
  got(count: number): Promise<readonly string[]>;
  end(): Promise<Ran>;
  /** Ends it without DISCONNECT. */
  kill(): Promise<Ran>;
}

/** Begins to subscribe, and waits until the server has answered. */
export const mosquittoSub = async (...args: readonly string[]): Promise<Subscriber> => {
  const { child, out, ended } = start('mosquitto_sub', ['-d', '-v', ...args]);
  // What it says of itself begins with `Client` or `Subscribed`; a line may still be on its way.
  const messages = (): readonly string[] =>
    out.text
      .split('\n')
      .slice(0, -1)
      .filter((line) => line !== '' && !/^(?:Client |Subscribed \()/.test(line));
  await until(() => out.text.includes('Subscribed (') || child.exitCode !== null);
  if (child.exitCode !== null) throw new Error(out.text);
  return {
    messages,
    async got(count) {
      await until(() => messages().length >= count);
      return messages();
    },
    end() {
      child.kill('SIGTERM');
      return ended;
    },
    kill() {
      child.kill('SIGKILL');
      return ended;
    },
  };
};
