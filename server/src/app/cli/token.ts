import { RegistryError } from '@rollcall/client';
import type { Command } from 'commander';
import type { SessionOptions } from './session.ts';
import { print, withClient, withSession } from './session.ts';

/**
 * `rollcall token`: creates a session token for the connecting device.
 * Prints it with the uuid and the time.
 */
export const addToken = (program: Command): void => {
  withSession(program.command('token').description('make a session token for the device and print it'))
    .option('--tag <text>', 'name by which the token can be found and revoked')
    .action(async (options: SessionOptions & { tag?: string }) => {
      if (options.token === undefined)
        throw new RegistryError('unauthenticated', 'Give --uuid and --token, or ROLLCALL_UUID and ROLLCALL_TOKEN');
      const { tag } = options;
      print(
        await withClient(options, (client) =>
          client.generateAndStoreToken({ uuid: client.credentials.uuid, ...(tag !== undefined && { tag }) }),
        ),
      );
    });
};
