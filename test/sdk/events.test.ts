import { expect } from 'chai';
import type { Session } from './support/session.ts';
import { session } from './support/session.ts';
import { until } from '../support/until.ts';

const revision = (rev: number, uuid = 'lamp') => ({ uuid, meshblu: { rev } });

describe('an event from the server', () => {
  let the: Session;
  beforeEach(async () => (the = await session()));
  afterEach(() => the.close());

  it('reaches its listeners with what the server adds, until they stop', async () => {
    const client = await the.open();
    const heard: unknown[] = [];
    const stop = client.on('message', (message, extras) => heard.push([message, extras]));
    const other: unknown[] = [];
    client.on('message', (message) => other.push(message));
    the.stub.send('message', { devices: ['lamp'], fromUuid: 'fan' }, { id: '1', cursor: 'c' });
    await until(() => heard.length === 1);
    expect(heard).to.deep.equal([
      [
        { devices: ['lamp'], fromUuid: 'fan' },
        { id: '1', cursor: 'c' },
      ],
    ]);
    stop();
    stop();
    the.stub.send('message', { devices: ['lamp'], fromUuid: 'fan' }, { id: '2' });
    await until(() => other.length === 2);
    expect(heard).to.have.length(1);
  });

  it('that follows ready at once is kept for listeners that are added when connect has resolved', async () => {
    const { greet } = the.stub;
    the.stub.greet = (auth) => {
      setImmediate(() => the.stub.send('config', revision(1)));
      queueMicrotask(() => the.stub.send('config', revision(2)));
      return greet(auth);
    };
    const client = await the.open();
    const heard: unknown[] = [];
    client.on('config', ({ meshblu }) => heard.push(meshblu?.['rev']));
    await until(() => heard.length > 0);
    expect(heard[0]).to.equal(2);
  });

  it('is told once though it comes twice, a message by sender and id', async () => {
    const client = await the.open();
    const heard: unknown[] = [];
    client.on('message', ({ fromUuid }, { id }) => heard.push([fromUuid, id]));
    for (const [fromUuid, id] of [
      ['fan', '1'],
      ['fan', '1'],
      ['door', '1'],
      ['fan', '2'],
    ])
      the.stub.send('message', { devices: ['lamp'], fromUuid }, { id });
    await until(() => heard.length === 3);
    expect(heard).to.deep.equal([
      ['fan', '1'],
      ['door', '1'],
      ['fan', '2'],
    ]);
  });

  it('is not told when its document is not newer than the known one, until the server says resync', async () => {
    const client = await the.open();
    const heard: unknown[] = [];
    client.on('config', ({ uuid, meshblu }) => heard.push([uuid, meshblu?.['rev']]));
    the.stub.send('config', revision(2));
    the.stub.send('config', revision(1));
    the.stub.send('config', revision(1, 'fan'));
    the.stub.send('config', revision(2));
    the.stub.send('config', revision(4));
    the.stub.send('resync', {});
    the.stub.send('config', revision(3));
    await until(() => heard.length === 4);
    expect(heard).to.deep.equal([
      ['lamp', 2],
      ['fan', 1],
      ['lamp', 4],
      ['lamp', 3],
    ]);
  });

  it('reaches the others though one listener throws, and that error is not hidden', async () => {
    const client = await the.open();
    const handlers = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    const uncaught: unknown[] = [];
    process.once('uncaughtException', (error) => uncaught.push(error.message));
    let heard = 0;
    client.on('data', () => {
      throw new Error('a bug of a listener');
    });
    client.on('data', () => heard++);
    the.stub.send('data', {});
    await until(() => heard === 1 && uncaught.length === 1);
    for (const handler of handlers) process.on('uncaughtException', handler);
    expect(uncaught).to.deep.equal(['a bug of a listener']);
    expect(client.state).to.equal('ready');
  });

  it('cannot pretend to be one of the client', async () => {
    const client = await the.open();
    const states: unknown[] = [];
    let heard = 0;
    client.on('state', (state) => states.push(state));
    client.on('data', () => heard++);
    the.stub.send('state', 'closed');
    the.stub.send('data', {});
    await until(() => heard === 1);
    expect(states).to.deep.equal([]);
  });
});
