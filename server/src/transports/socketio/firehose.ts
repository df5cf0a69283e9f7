import type { ClientAddress } from '../../common/client-address.ts';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'socket.io';
import type { Credentials, Authenticate } from '../../identity/authenticate.ts';
import type { Connection, Connections, FanOut } from '../../realtime/connections.ts';
import type { Subscriptions } from '../../realtime/subscriptions.ts';
import { lowerUuid } from '../../identity/canonical-uuid.ts';

/** The credentials of a firehose's handshake: headers, else the query (MS-1.11). */
export const firehoseCredentials = ({ headers, url = '' }: IncomingMessage): Credentials => {
  const query = new URLSearchParams(url.split('?')[1]);
  return {
    uuid: headers['x-meshblu-uuid'] ?? query.get('uuid') ?? undefined,
    token: headers['x-meshblu-token'] ?? query.get('token') ?? undefined,
  };
};

/** What a firehose needs from the rest of the server. */
export interface FirehoseKit {
  readonly clientAddress: ClientAddress;
  readonly authenticate: Authenticate;
  readonly connections: Connections;
  readonly subscriptions: Subscriptions;
  drop(socket: Socket): void;
}

/**
 * Serves a receive-only socket: it gets its device's messages as the event `message`, and is never
 * asked to identify itself.
 *
 * The path and the credentials must name one device. The socket is closed when the credentials are
 * revoked.
 */
export const serveFirehose = async (
  socket: Socket,
  named: string,
  { authenticate, connections, subscriptions, clientAddress, drop }: FirehoseKit,
): Promise<void> => {
  const actor = await authenticate({ ...firehoseCredentials(socket.request), address: clientAddress(socket.request) });
  if (actor === null || (actor.uuid !== named && actor.uuid !== lowerUuid(named))) {
    drop(socket);
    return;
  }
  const { uuid } = actor;
  const releases: (() => void)[] = [];
  const fanOut: FanOut = {
    send: (_to, _event, data) => void socket.emit('message', data),
  };
  const connection: Connection = {
    actor,
    id: socket.id,
    takesMetadata: false,
    fanOut,
    end() {
      drop(socket);
      return undefined;
    },
    onLeave: (release) => releases.push(release),
  };
  subscriptions.add(connection, uuid, ['firehose'], { uuid });
  connection.onLeave(connections.watch(actor, () => void connection.end()));
  socket.on('disconnect', () => {
    for (const release of releases.splice(0)) release();
  });
};
