import type { ServerEvents } from '@rollcall/client';
import { RegistryError } from '@rollcall/client';
import { publications } from '@rollcall/client/contract';
import type { Command } from 'commander';
import { unknownName } from './near.ts';
import type { SessionOptions } from './session.ts';
import { withClient, withSession } from './session.ts';

/** Names of the events that the server sends, without `identify`. */
const names = [...Object.keys(publications).filter((name) => name !== 'identify'), 'message', 'data'] as (keyof ServerEvents)[];

/**
 * `rollcall listen <event>`: prints each event of that name as one line of JSON, until interrupted.
 */
export const addListen = (program: Command): void => {
  withSession(program.command('listen <event>').description(`print each event as a line of JSON: ${names.join(', ')}`)).action(
    async (word: string, options: SessionOptions) => {
      const event = names.find((name) => name === word);
      if (event === undefined) throw new RegistryError('unknown-event', unknownName('event', word, names));
      await withClient(
        options,
        (client) =>
          new Promise<void>((resolve, reject) => {
            client.on(event, (...[body]) => console.log(JSON.stringify(body ?? null)));
            client.on('state', (state, reason) => {
              if (state === 'closed' && reason) reject(reason);
              else console.error(reason ? `${state}: ${reason.message}` : state);
            });
            process.once('SIGINT', () => resolve());
            process.once('SIGTERM', () => resolve());
            console.error(`listening for ${event} as ${client.credentials.uuid}`);
          }),
      );
    },
  );
};
