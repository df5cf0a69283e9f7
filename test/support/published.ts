import { createRequire } from 'node:module';
import type { Made } from './meshblu.ts';

const require = createRequire(import.meta.url);

/** What the tests use of the published packages; all of them are plain callbacks. */
export interface PublishedClient {
  on(event: string, listener: (value: never) => void): void;
  close(done?: () => void): void;
  [method: string]: unknown;
}

type Open = (url: URL, device: Partial<Made>, transport?: 'polling' | 'websocket') => PublishedClient;

const optionsOf = (transport: string | undefined): object => ({
  forceNew: true,
  ...(transport !== undefined && { transports: [transport] }),
});

const openLater =
  (load: () => unknown): Open =>
  (url, device, transport) => {
    const Meshblu = load() as new (options: object) => PublishedClient & { connect(): void };
    const { hostname, port } = url;
    const options = optionsOf(transport);
    const client = new Meshblu({ protocol: 'ws', hostname, port, resolveSrv: false, bufferRate: 0, options, ...device });
    client.connect();
    return client;
  };

/** Opens the published Meshblu clients of each major version. Without a transport they poll first and change to a websocket. */
export const openPublished: Readonly<Record<string, Open>> = {
  'meshblu 1.34.1': (url, device, transport) => {
    const { createConnection } = require('meshblu-1') as { createConnection(options: object): PublishedClient };
    const options = optionsOf(transport);
    return createConnection({
      server: `ws://${url.hostname}`,
      port: url.port,
      bufferRate: 0,
      forceNew: true,
      options,
      ...device,
    });
  },
  'meshblu 2.3.2': openLater(() => require('meshblu-2')),
  'meshblu 3.0.5': openLater(() => require('meshblu-3')),
};
