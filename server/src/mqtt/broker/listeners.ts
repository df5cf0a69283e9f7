import type { ClientAddress } from '../../common/client-address.ts';
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { createWebSocketStream, WebSocketServer } from 'ws';
import type { Broker } from './broker.ts';

/** A listener for MQTT over TCP or TLS. */
export interface MqttListener {
  /** Address it listens on: `HOST:PORT`. */
  readonly address: string;
  close(): Promise<void>;
}

/** Connections at one time. Further ones are closed at once. */
const maxConnections = 20_000;
/**
 * Interval of TCP keep-alive, in milliseconds. The kernel finds cut connections independently of
 * MQTT's keep-alive.
 */
const probeMs = 60_000;
const handshakeMs = 10_000;

/** Passes the connections of a server to the broker. */
export const serveMqtt = async (
  server: Server,
  broker: Pick<Broker, 'handle'>,
  { host, port, event }: { readonly host: string; readonly port: number; readonly event: 'connection' | 'secureConnection' },
): Promise<MqttListener> => {
  const sockets = new Set<Socket>();
  server.maxConnections = maxConnections;
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.setNoDelay(true).setKeepAlive(true, probeMs);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => sockets.delete(socket));
  });
  server.on(event, (socket: Socket) => broker.handle(socket, (socket.remoteAddress ?? '').replace(/^::ffff:(?=\d+\.)/i, '')));
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  const bound = server.address();
  const taken = typeof bound === 'object' && bound !== null ? bound.port : port;
  return {
    address: `${host.includes(':') ? `[${host}]` : host}:${taken}`,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
};

/** Listens for MQTT over TCP. */
export const listenTcp = (broker: Pick<Broker, 'handle'>, host: string, port: number): Promise<MqttListener> =>
  serveMqtt(createServer(), broker, { host, port, event: 'connection' });

/** Certificate, key and trusted authorities of a TLS listener, as PEM. */
export interface TlsIdentity {
  readonly cert: string;
  readonly key: string;
  readonly ca: readonly string[];
}

/**
 * A TLS listener whose certificates can be replaced while it runs. Open connections keep theirs.
 */
export interface MqttTlsListener extends MqttListener {
  renew(identity: TlsIdentity): void;
}

const contextOf = ({ cert, key, ca }: TlsIdentity) => ({ cert, key, ca: [...ca], allowPartialTrustChain: true });

/**
 * Opens a listener for MQTT over TLS. A client may show a certificate.
 * One that no trusted authority issued does not stop TLS, so that CONNACK can report the refusal.
 */
export const listenTls = async (
  broker: Pick<Broker, 'handle'>,
  host: string,
  port: number,
  identity: TlsIdentity,
): Promise<MqttTlsListener> => {
  const options = { ...contextOf(identity), requestCert: true, rejectUnauthorized: false, minVersion: 'TLSv1.2' as const };
  const server = createTlsServer({ ...options, handshakeTimeout: handshakeMs });
  const listener = await serveMqtt(server, broker, { host, port, event: 'secureConnection' });
  return { ...listener, renew: (next) => server.setSecureContext({ ...contextOf(next), minVersion: 'TLSv1.2' }) };
};

/** MQTT over websocket (MQTT 3.1.1, section 6), on an HTTP server's upgrades. */
export interface MqttUpgrades {
  /** Takes the upgrade if its path is `/mqtt`. False for any other path. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): boolean;
  close(): void;
}

const subprotocols = ['mqtt', 'mqttv3.1'];

/**
 * Creates the handler. `maxPacketBytes`: largest packet. `admits`: decides on a browser's Origin.
 */
export const openUpgrades = (
  broker: Pick<Broker, 'handle' | 'size'>,
  maxPacketBytes: number,
  admits: (request: IncomingMessage) => boolean,
  clientAddress: ClientAddress,
): MqttUpgrades => {
  const server = new WebSocketServer({
    noServer: true,
    // A packet may come in several frames; each of them is bounded like a packet.
    maxPayload: maxPacketBytes + 1_024,
    perMessageDeflate: false,
    handleProtocols: (offered) => subprotocols.find((name) => offered.has(name)) ?? false,
  });
  return {
    upgrade(request, socket, head) {
      if (request.url?.split('?')[0] !== '/mqtt') return false;
      if (!admits(request) || broker.size >= maxConnections) {
        socket.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
        return true;
      }
      server.handleUpgrade(request, socket, head, (webSocket) => {
        request.socket.setKeepAlive(true, probeMs);
        const stream = createWebSocketStream(webSocket);
        // [MQTT-6.0.0-1]
        webSocket.on('message', (_data, isBinary) => !isBinary && webSocket.terminate());
        stream.on('error', () => webSocket.terminate());
        broker.handle(stream, clientAddress(request), request);
      });
      return true;
    },
    close() {
      for (const webSocket of server.clients) webSocket.terminate();
      server.close();
    },
  };
};
