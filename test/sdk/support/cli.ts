import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../../../../server/bin/rollcall.mjs', import.meta.url));

/** A command under way, and what it has printed so far. */
export interface Running {
  readonly process: ChildProcess;
  readonly printed: () => { readonly stdout: string; readonly stderr: string };
  readonly ended: Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }>;
}

/** Starts `rollcall` with these arguments; nothing of the environment's own ROLLCALL_ variables reaches it. */
export const startCommand = (args: readonly string[], variables: Readonly<Record<string, string>> = {}): Running => {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('ROLLCALL_'));
  const child = spawn(process.execPath, [main, ...args], {
    env: { ...Object.fromEntries(inherited), ...variables },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
  const ended = once(child, 'close').then(() => ({ code: child.exitCode, ...output }));
  return { process: child, printed: () => output, ended };
};

/** Runs `rollcall` to its end. */
export const command = (args: readonly string[], variables?: Readonly<Record<string, string>>) =>
  startCommand(args, variables).ended;
