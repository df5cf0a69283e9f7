import type { Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';

/** A way to a server that can lose what comes back, and break. */
export interface Proxy {
  readonly url: string;
  /** From now on nothing of what the server says arrives. */
  readonly muteServer: () => void;
  /** Breaks every connection; new ones are whole again. */
  readonly cut: () => void;
  readonly close: () => void;
}

/** Opens a proxy on loopback in front of a server. */
export const startProxy = async (target: string): Promise<Proxy> => {
  const sockets = new Set<Socket>();
  let isMute = false;
  const server = createServer((client) => {
    const upstream = connect(Number(new URL(target).port), '127.0.0.1');
    const end = (): void => {
      client.destroy();
      upstream.destroy();
      sockets.delete(client);
    };
    sockets.add(client);
    client.on('data', (data) => upstream.write(data));
    upstream.on('data', (data) => isMute || client.write(data));
    for (const socket of [client, upstream]) socket.on('close', end).on('error', end);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
    isMute = false;
  };
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    muteServer: () => (isMute = true),
    cut,
    close: () => {
      cut();
      server.close();
    },
  };
};
