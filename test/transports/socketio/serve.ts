import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import type { Socket } from 'socket.io';
import type { EngineOptions, Engines } from '@rollcall/server/internal/transports/socketio/engines';
import { openEngines, Rejected } from '@rollcall/server/internal/transports/socketio/engines';

/** An HTTP server with both engines in front of a route that answers `rest`. */
export interface Served {
  readonly engines: Engines;
  readonly url: string;
  readonly port: number;
  /** Connections of the HTTP server, of whatever kind. */
  connections(): Promise<number>;
  close(): Promise<void>;
}

const answer = (socket: Socket): void => {
  socket.on('echo', (value: unknown, acknowledge?: (answer: unknown) => void) => {
    acknowledge?.(value instanceof Rejected ? { error: 'Unprocessable Entity', details: value.details } : value);
  });
  socket.on('say', (value: unknown) => socket.emit('said', value));
};

/** Serves on a free loopback port; `echo` is acknowledged with its argument, `say` comes back as `said`. */
export const serve = async (options: Partial<EngineOptions> = {}): Promise<Served> => {
  const engines = openEngines({ origins: [], legacy: true, admitFirehose: () => Promise.resolve(true), ...options });
  for (const io of [engines.io, engines.legacy]) io?.on('connection', answer);
  const http = createServer((request, response) => {
    if (!engines.handle(request, response)) response.end('rest');
  });
  http.on('upgrade', (request, socket, head) => {
    if (!engines.upgrade(request, socket, head)) socket.destroy();
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const { port } = http.address() as AddressInfo;
  return {
    engines,
    url: `http://127.0.0.1:${port}`,
    port,
    connections: promisify(http.getConnections.bind(http)),
    async close() {
      await engines.close();
      const closed = new Promise((resolve) => http.close(resolve));
      http.closeAllConnections();
      await closed;
    },
  };
};

/** Sends one request over a connection of its own. */
export const ask = ({ port }: Served, path: string, body?: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const asked = request(
      { host: '127.0.0.1', port, path, method: body === undefined ? 'GET' : 'POST', agent: false },
      (response) => {
        void text(response).then(resolve);
      },
    );
    asked.on('error', reject).end(body);
  });
