import { errors, RegistryError, type ErrorCode } from '@rollcall/client/contract';
import { createConnections } from '@rollcall/server/internal/realtime/connections';
import { serveSockets } from '@rollcall/server/internal/transports/socketio/socket';
import { drop } from '@rollcall/server/internal/transports/socketio/engines';
import { createFanOuts } from '@rollcall/server/internal/transports/socketio/fan-out';
import { expect } from 'chai';
import type { Server } from 'socket.io';
import { until } from '../../support/until.ts';
import { call, client, closeClients, next } from './clients.ts';
import { serve, type Served } from './serve.ts';
import type { SocketKit } from '@rollcall/server/internal/transports/socketio/kit';

const codes = Object.keys(errors) as ErrorCode[];

/** Serves operations that fail with the code that they are called with. */
const serveFailures = (served: Served, refused: (kind: string) => void): (() => void) => {
  const { io, legacy } = served.engines;
  const servers = [io, legacy].filter((one): one is Server => one !== null);
  const kit: Partial<SocketKit> = {
    operations: new Map([['test:fail', { name: 'test:fail', row: {} } as never]]),
    connections: createConnections(),
    dispatch: (_operation, { input }) => Promise.reject(new RegistryError((input as { code: ErrorCode }).code)),
    toRegistryError: (error) => error as RegistryError,
    fanOut: createFanOuts(servers),
    report: () => undefined,
    now: () => Date.now(),
    clientAddress: () => '127.0.0.1',
    refused,
    drop,
  };
  return serveSockets(servers, kit as SocketKit);
};

describe('A call without an acknowledgement that fails', () => {
  let served: Served;
  let stop: () => void;
  let counted: string[] = [];
  before(async () => {
    served = await serve();
    stop = serveFailures(served, (kind) => counted.push(kind));
  });
  beforeEach(() => {
    counted = [];
  });
  afterEach(closeClients);
  after(async () => {
    stop();
    await served.close();
  });

  for (const [engine, version] of [
    ['main', '4.8'],
    ['legacy', '1.7.4'],
  ] as const) {
    for (const code of codes.filter((one) => errors[one].retry)) {
      it(`with ${code} ends the connection with that reason, on the ${engine} engine (D2)`, async () => {
        const opened = client(version, served.url);
        await next(opened, 'identify');
        const reason = next<object>(opened, 'notReady');
        opened.emit('test:fail', { code });
        const { http: status, message } = errors[code];
        expect(await reason).to.deep.equal({ api: 'connect', status, error: { message, code: status } });
        await until(() => !opened.connected);
        expect(counted).to.include('unacknowledged-call');
      });
    }

    for (const code of codes.filter((one) => !errors[one].retry)) {
      it(`with ${code} is counted, and the connection goes on, on the ${engine} engine (D2)`, async () => {
        const opened = client(version, served.url);
        await next(opened, 'identify');
        opened.emit('test:fail', { code });
        expect(await call(opened, 'test:fail', { code })).to.include({ code });
        expect(counted).to.deep.equal(['unacknowledged-call']);
        expect(opened.connected).to.equal(true);
      });
    }
  }
});
