import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { RegistryError, connect, version } from '@rollcall/client';
import { expect } from 'chai';
import type { Session } from './support/session.ts';
import { lamp, quick, refusal, refusalCode, session } from './support/session.ts';
import { silence, startStub } from './support/stub.ts';
import { until } from '../support/until.ts';

const notReady = (status: number) => ({ event: 'notReady', body: { api: 'connect', status } }) as const;

describe('connect', () => {
  let the: Session;
  beforeEach(async () => (the = await session()));
  afterEach(() => the.close());

  it('says in the handshake which client it is and who it wants to be', async () => {
    await the.open();
    expect(the.stub.handshakes).to.deep.equal([{ sdk: version, ...lamp }]);
  });

  it('names the version of its package', () => {
    const manifest: unknown = JSON.parse(
      readFileSync(createRequire(import.meta.url).resolve('../../../client-sdk/package.json'), 'utf8'),
    );
    expect(manifest).to.have.property('version', version);
  });

  it('leaves the presence of its device alone if told to', async () => {
    await the.open(lamp, { autoSetOnline: false });
    expect(the.stub.handshakes[0]).to.have.property('auto_set_online', false);
  });

  it('is ready, and is who it said', async () => {
    const client = await the.open();
    expect(client.state).to.equal('ready');
    expect(client.credentials).to.deep.equal(lamp);
  });

  it('registers a new device without credentials, once: it comes back as that device', async () => {
    const client = await the.open({});
    expect(client.credentials).to.deep.equal({ uuid: 'new-device', token: 'new-token' });
    the.stub.cut();
    await until(() => the.stub.handshakes.length === 2);
    expect(the.stub.handshakes).to.deep.equal([{ sdk: version }, { sdk: version, uuid: 'new-device', token: 'new-token' }]);
  });

  it('sends the token of a bearer alone as it is, at every connection', async () => {
    await the.open({ token: 'header.claims.signature' });
    the.stub.cut();
    await until(() => the.stub.handshakes.length === 2);
    expect(the.stub.handshakes[1]).to.deep.equal({ sdk: version, token: 'header.claims.signature' });
  });

  it('rejects refused credentials as unauthenticated, and does not try again', async () => {
    the.stub.greet = () => notReady(401);
    expect(await refusalCode(the.open())).to.equal('unauthenticated');
    expect(the.stub.handshakes).to.have.length(1);
  });

  for (const status of [429, 500, 503, 504])
    it(`tries again after a refusal with status ${status}, which passes`, async () => {
      const { greet } = the.stub;
      the.stub.greet = (auth) => (the.stub.handshakes.length < 3 ? notReady(status) : greet(auth));
      const client = await the.open();
      expect(client.state).to.equal('ready');
      expect(the.stub.handshakes).to.have.length(3);
    });

  it('is rejected with the last refusal of the server when the time is over', async () => {
    the.stub.greet = () => notReady(503);
    expect(await refusalCode(the.open(lamp, { timeoutMs: 60 }))).to.equal('unavailable');
  });

  it('is rejected with timeout when the server says nothing', async () => {
    the.stub.greet = () => silence;
    expect(await refusalCode(the.open(lamp, { timeoutMs: 60 }))).to.equal('timeout');
  });

  it('is rejected with timeout, and with its cause, when nobody listens', async () => {
    const { url, close } = await startStub();
    await close();
    const error = await refusal(connect(url, lamp, { ...quick, timeoutMs: 60 }));
    expect(error.code).to.equal('timeout');
    expect(error.cause).to.be.instanceOf(RegistryError);
  });

  it('waits for a server that comes later', async () => {
    const gone = await startStub();
    await gone.close();
    const connecting = connect(gone.url, lamp, quick);
    const stub = await startStub(gone.port);
    const client = await connecting;
    expect(client.state).to.equal('ready');
    client.close();
    await stub.close();
  });

  it('can be aborted', async () => {
    the.stub.greet = () => silence;
    const controller = new AbortController();
    const opening = the.open(lamp, { signal: controller.signal });
    controller.abort();
    expect(await refusalCode(opening)).to.equal('aborted');
    expect(await refusalCode(the.open(lamp, { signal: controller.signal }))).to.equal('aborted');
  });

  for (const url of ['', 'registry', 'ftp://127.0.0.1/', 'mailto:a@b'])
    it(`refuses the address '${url}'`, async () => {
      expect(await refusalCode(connect(url, lamp))).to.equal('invalid-input');
    });

  for (const timeoutMs of [0, -1, NaN, 2 ** 31])
    it(`refuses a time limit of ${timeoutMs} ms`, async () => {
      expect(await refusalCode(the.open(lamp, { timeoutMs }))).to.equal('invalid-input');
    });
});

describe('a lost connection', () => {
  let the: Session;
  beforeEach(async () => (the = await session()));
  afterEach(() => the.close());

  it('is told, made again, and told', async () => {
    const client = await the.open();
    const states: unknown[] = [];
    client.on('state', (state, reason) => states.push([state, reason?.code]));
    the.stub.cut();
    await until(() => states.length === 2);
    expect(states).to.deep.equal([
      ['reconnecting', 'disconnected'],
      ['ready', undefined],
    ]);
  });

  it('is resumed from the last event that came', async () => {
    await the.open();
    the.stub.send('config', { uuid: 'lamp' }, { id: 'a', cursor: 'feed.7' });
    the.stub.send('config', { uuid: 'lamp' }, { id: 'b', cursor: 'feed.9' });
    the.stub.send('config', { uuid: 'lamp' });
    the.stub.cut();
    await until(() => the.stub.handshakes.length === 2);
    expect(the.stub.handshakes[1]).to.have.property('cursor', 'feed.9');
  });

  it('is closed for good, with the reason, when the credentials do not hold any more', async () => {
    const client = await the.open();
    const states: unknown[] = [];
    client.on('state', (state, reason) => states.push([state, reason?.code]));
    the.stub.answer = () => silence;
    const call = client.whoami();
    the.stub.send('notReady', { api: 'connect', status: 401 });
    expect(await refusalCode(call)).to.equal('unauthenticated');
    expect(states).to.deep.equal([['closed', 'unauthenticated']]);
    expect(await refusalCode(client.whoami())).to.equal('unauthenticated');
    expect(the.stub.handshakes).to.have.length(1);
  });

  it('comes back with the new token after its own was reset, though the old one is refused', async () => {
    const client = await the.open();
    the.stub.answer = ({ event }) => {
      if (event !== 'resetToken') return {};
      setImmediate(() => the.stub.send('notReady', { api: 'connect', status: 401 }));
      return { uuid: 'lamp', token: 'fresh', device: { uuid: 'lamp', token: 'fresh' } };
    };
    await client.resetToken({ uuid: 'lamp' });
    expect(client.credentials).to.deep.equal({ uuid: 'lamp', token: 'fresh' });
    await until(() => the.stub.handshakes.length === 2);
    expect(the.stub.handshakes[1]).to.include({ uuid: 'lamp', token: 'fresh' });
  });

  it('keeps its own token when that of another device was reset', async () => {
    const client = await the.open();
    the.stub.answer = () => ({ uuid: 'fan', token: 'fresh', device: { uuid: 'fan', token: 'fresh' } });
    await client.resetToken({ uuid: 'fan' });
    expect(client.credentials).to.deep.equal(lamp);
  });

  it('is not made again after close, and calls are rejected', async () => {
    const client = await the.open();
    the.stub.answer = () => silence;
    const call = client.whoami();
    client.close();
    expect(await refusalCode(call)).to.equal('disconnected');
    expect(await refusalCode(client.whoami())).to.equal('disconnected');
    expect(client.state).to.equal('closed');
    expect(the.stub.handshakes).to.have.length(1);
  });
});
