import { RegistryError } from '@rollcall/client/contract';
import type { Connection } from '../../realtime/connections.ts';
import type { Implementation } from '../handler.ts';
import { listen } from './subscriptions.ts';

const ofConnection = (connection: Connection | null): Connection => {
  if (connection === null) throw new RegistryError('invalid-input', 'Only a connection can be brought up to date');
  return connection;
};

export const feed: Implementation['feed'] = {
  async restore({ subscriptions }, call) {
    const { actor, authenticate, address } = call;
    const connection = ofConnection(call.connection);
    const granted = await Promise.all(
      subscriptions.map(async ({ uuid, token, types, topics }) => {
        const listener = token === undefined ? actor : await authenticate({ uuid, token, address });
        return listener === null ? [] : listen(call, connection, listener, { uuid, types, topics });
      }),
    );
    return { output: { refused: granted.flatMap((types, index) => (types.length === 0 ? [index] : [])) } };
  },

  async resume({ cursor }, { connection, resume }) {
    return { output: await resume.resume(ofConnection(connection), cursor) };
  },
};
