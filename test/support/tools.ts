import { spawnSync } from 'node:child_process';

/** Debian's packages of commands that are named otherwise. */
const packages: Readonly<Record<string, string>> = { mosquitto_pub: 'mosquitto-clients', nginx: 'nginx-light' };

const missing = new Map<string, boolean>();

/** Why a command cannot be run here; undefined if it can. */
export const toolMissing = (command: string): string | undefined => {
  if (!missing.has(command)) missing.set(command, spawnSync(command, ['--version'], { stdio: 'ignore' }).error !== undefined);
  return missing.get(command) === true
    ? `${command} is not installed, Debian package ${packages[command] ?? command}`
    : undefined;
};

/** Skips a test or the suite of a hook, with the reason, where one of these commands is missing. */
export const toolsOrSkip = (context: Mocha.Context, ...commands: readonly string[]): void => {
  const reason = commands.map(toolMissing).find((one) => one !== undefined);
  if (reason === undefined) return;
  if (context.test !== undefined) context.test.title += ` (skipped: ${reason})`;
  context.skip();
};
