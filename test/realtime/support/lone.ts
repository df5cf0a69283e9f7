import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Made } from '../../support/meshblu.ts';
import { until } from '../../support/until.ts';

/** A connected client in a process of its own. */
export interface Lone {
  signal(name: NodeJS.Signals): void;
  /** How often it was ready. */
  readonly readies: number;
  /** Kills it, and waits until it is gone. */
  end(): Promise<void>;
}

const script = fileURLToPath(new URL('./lone-client.js', import.meta.url));

/** Starts one and waits until it is ready. */
export const startLone = async (url: string, { uuid, token }: Made): Promise<Lone> => {
  const child = spawn(process.execPath, [script, url, uuid, token], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  let printed = '';
  child.stdout.on('data', (text: Buffer) => (printed += text.toString()));
  const lone: Lone = {
    signal: (name) => void child.kill(name),
    get readies() {
      return printed.split('ready\n').length - 1;
    },
    async end() {
      child.kill('SIGKILL');
      await ended;
    },
  };
  await until(() => lone.readies > 0, 15_000);
  return lone;
};
