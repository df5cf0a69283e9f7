import type { Command } from 'commander';

/** `rollcall serve`: the registry itself, set up by the environment (`.env.example` lists the settings). */
export const addServe = (program: Command): void => {
  program
    .command('serve')
    .description('run a registry; its settings are environment variables')
    .action(async () => {
      await import('../main.ts');
    });
};
