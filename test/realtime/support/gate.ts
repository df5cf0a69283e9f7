import type { Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';

/** A way to a server that can be shut and opened again. */
export interface Gate {
  readonly url: string;
  /** Breaks every connection and lets none through. */
  readonly shut: () => void;
  /** Lets connections through again, from now on to `target` if it is given. */
  readonly open: (target?: string) => void;
  /** Breaks every connection; new ones are let through. */
  readonly cut: () => void;
  readonly close: () => void;
}

/** Opens a gate on loopback in front of a server. */
export const startGate = async (target: string): Promise<Gate> => {
  const sockets = new Set<Socket>();
  let port = Number(new URL(target).port);
  let isShut = false;
  const server = createServer((client) => {
    if (isShut) return void client.destroy();
    const upstream = connect(port, '127.0.0.1');
    const end = (): void => {
      client.destroy();
      upstream.destroy();
      sockets.delete(client);
    };
    sockets.add(client);
    client.pipe(upstream).pipe(client);
    for (const socket of [client, upstream]) socket.on('close', end).on('error', end);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut,
    shut() {
      isShut = true;
      cut();
    },
    open(other) {
      if (other !== undefined) port = Number(new URL(other).port);
      isShut = false;
    },
    close() {
      cut();
      server.close();
    },
  };
};
