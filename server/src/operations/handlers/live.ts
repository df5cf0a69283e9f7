import { RegistryError } from '@rollcall/client/contract';
import type { Connection } from '../../realtime/connections.ts';
import type { Implementation } from '../handler.ts';

/**
 * The connection that receives the changes of a live query. Fails with `invalid-input` over HTTP.
 */
const followed = (connection: Connection | null): Connection => {
  if (connection === null) throw new RegistryError('invalid-input', 'A live query needs a connection that events can be sent to');
  return connection;
};

export const live: Implementation['live'] = {
  async open(asked, { connection, live }) {
    return { output: await live.open(followed(connection), asked) };
  },

  async read({ id }, { connection, live }) {
    return { output: await live.read(followed(connection), id) };
  },

  close({ id }, { connection, live }) {
    live.close(followed(connection), id);
    return { output: { id } };
  },
};
