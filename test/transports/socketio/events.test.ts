import { guarded } from '@rollcall/server/internal/transports/socketio/events';
import { drop } from '@rollcall/server/internal/transports/socketio/engines';
import { expect } from 'chai';
import { until } from '../../support/until.ts';
import { call, client, closeClients, next } from './clients.ts';
import { serve, type Served } from './serve.ts';

describe('An error that is thrown while an event is taken', () => {
  let served: Served;
  const reported: unknown[] = [];
  before(async () => {
    served = await serve();
    for (const io of [served.engines.io, served.engines.legacy]) {
      io?.on('connection', (socket) => {
        guarded(socket, { report: (error) => reported.push(error), drop }, (event) => {
          if (event === 'throw') throw new RangeError('Maximum call stack size exceeded');
        });
      });
    }
  });
  afterEach(() => {
    closeClients();
    reported.length = 0;
  });
  after(() => served.close());

  for (const [engine, version] of [
    ['main', '4.8'],
    ['legacy', '1.7.4'],
  ] as const) {
    it(`closes that connection and no other, and is reported, on the ${engine} engine (S1)`, async () => {
      const [bad, good] = [client(version, served.url), client(version, served.url)];
      await Promise.all([next(bad, 'connect'), next(good, 'connect')]);
      bad.emit('throw', 1);
      await until(() => !bad.connected);
      expect(await call(good, 'echo', { still: 'here' })).to.deep.equal({ still: 'here' });
      expect(reported.map(String)).to.deep.equal(['RangeError: Maximum call stack size exceeded']);
    });
  }
});
