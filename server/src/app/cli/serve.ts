import type { Command } from 'commander';

/** `rollcall serve`: runs the registry with settings from the environment (see `.env.example`). */
export const addServe = (program: Command): void => {
  program
    .command('serve')
    .description('run a registry; its settings are environment variables')
    .option('--accept-loss', 'start with a data file that has lost acknowledged changes (ROLLCALL_ACCEPT_LOSS)')
    .action(async ({ acceptLoss }: { acceptLoss?: true }) => {
      if (acceptLoss === true) process.env['ROLLCALL_ACCEPT_LOSS'] = 'true';
      await import('../main.ts');
    });
};
