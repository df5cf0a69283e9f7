import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRegistry } from '@rollcall/server';
import { expect } from 'chai';
import { command, startCommand } from './support/cli.ts';
import type { Session } from './support/session.ts';
import { session } from './support/session.ts';
import { failure } from './support/stub.ts';
import { until } from '../support/until.ts';

describe('rollcall', function () {
  this.timeout(20_000);
  let the: Session;
  let as: Record<string, string>;
  beforeEach(async () => {
    the = await session();
    as = { ROLLCALL_URL: the.stub.url, ROLLCALL_UUID: 'lamp', ROLLCALL_TOKEN: 'secret' };
  });
  afterEach(() => the.close());

  it('call prints the answer as JSON', async () => {
    const { code, stdout, stderr } = await command(['call', 'update', '{"name":"hall"}', '--rev', '3', '--as', 'fan'], as);
    expect({ code, stdout, stderr }).to.deep.equal({ code: 0, stdout: '{"name":"hall"}\n', stderr: '' });
    expect(the.stub.calls[0]).to.deep.include({ event: 'update', input: { name: 'hall' } });
    expect(the.stub.calls[0]!.options).to.include({ rev: 3, as: 'fan' });
    expect(the.stub.handshakes[0]).to.include({ uuid: 'lamp', token: 'secret' });
  });

  it('call reaches every area, and takes the connection from its arguments first', async () => {
    const args = ['--url', the.stub.url, '--uuid', 'fan', '--token', 'other'];
    const { code } = await command(['call', 'documents:update', '{"uuid":"fan","update":{}}', ...args], {
      ...as,
      ROLLCALL_URL: 'http://127.0.0.1:1',
    });
    expect(code).to.equal(0);
    expect(the.stub.calls[0]).to.include({ event: 'documents:update' });
    expect(the.stub.handshakes[0]).to.include({ uuid: 'fan', token: 'other' });
  });

  it('call prints a failure with its code and details on standard error, and ends with 1', async () => {
    the.stub.answer = () => ({
      ...failure(422, 'invalid-input', 'No'),
      details: [{ path: '/uuid', rule: 'type', message: 'must be text' }],
    });
    const { code, stdout, stderr } = await command(['call', 'device', '{"uuid":7}'], as);
    expect({ code, stdout, stderr }).to.deep.equal({
      code: 1,
      stdout: '',
      stderr: 'invalid-input: No\n  /uuid type: must be text\n',
    });
  });

  it('call refuses an event that does not exist, and names those like it', async () => {
    const { code, stderr } = await command(['call', 'generateToken'], as);
    expect(code).to.equal(1);
    expect(stderr).to.equal("unknown-event: There is no event 'generateToken'. Did you mean generateAndStoreToken?\n");
    expect((await command(['call', 'whoIam'], as)).stderr).to.match(/Did you mean whoami\?/);
    expect((await command(['call', 'xyzzyxyzzyxyzzy'], as)).stderr).to.match(/There are: .*whoami/);
    expect(the.stub.handshakes).to.have.length(0);
  });

  it('call refuses an input that is no JSON', async () => {
    const { code, stderr } = await command(['call', 'update', '{name}'], as);
    expect(code).to.equal(1);
    expect(stderr).to.match(/^invalid-input: /);
  });

  it('call acts without credentials as a new device that it removes again', async () => {
    const { code } = await command(['call', 'register', '{"type":"lamp"}'], { ROLLCALL_URL: the.stub.url });
    expect(code).to.equal(0);
    expect(the.stub.calls.map(({ event, input }) => [event, input])).to.deep.equal([
      ['register', { type: 'lamp' }],
      ['unregister', { uuid: 'new-device' }],
    ]);
  });

  it('tells which credentials were refused, and that nobody listens', async () => {
    the.stub.greet = () => ({ event: 'notReady', body: { api: 'connect', status: 401 } });
    expect(await command(['call', 'whoami'], as)).to.include({ code: 1, stderr: 'unauthenticated: Unauthorized\n' });
    const elsewhere = { ...as, ROLLCALL_URL: 'http://127.0.0.1:1' };
    const { code, stderr } = await command(['call', 'whoami', '--timeout', '50'], elsewhere);
    expect({ code, stderr }).to.deep.equal({ code: 1, stderr: 'timeout: No connection to 127.0.0.1:1 was made in time\n' });
    expect(await command(['call', 'whoami'], { ROLLCALL_UUID: 'lamp' })).to.include({
      code: 1,
      stderr: 'invalid-input: --uuid needs --token\n',
    });
  });

  it('listen prints a line of JSON for each event until it is interrupted', async () => {
    const { process: child, printed, ended } = startCommand(['listen', 'message'], as);
    await until(() => printed().stderr.includes('listening for message as lamp'));
    the.stub.send('message', { devices: ['lamp'], fromUuid: 'fan', payload: 1 }, { id: '1' });
    the.stub.send('data', {});
    the.stub.send('message', { devices: ['lamp'], fromUuid: 'fan', payload: 2 }, { id: '2' });
    await until(() => printed().stdout.split('\n').length === 3);
    child.kill('SIGINT');
    const { code, stdout } = await ended;
    expect(code).to.equal(0);
    expect(stdout).to.equal(
      '{"devices":["lamp"],"fromUuid":"fan","payload":1}\n{"devices":["lamp"],"fromUuid":"fan","payload":2}\n',
    );
  });

  it('listen ends with 1 when its credentials are revoked, and refuses events that do not exist', async () => {
    const { printed, ended } = startCommand(['listen', 'config'], as);
    await until(() => printed().stderr.includes('listening'));
    the.stub.send('notReady', { api: 'connect', status: 401 });
    const { code, stderr } = await ended;
    expect(code).to.equal(1);
    expect(stderr).to.match(/^unauthenticated: Unauthorized$/m);
    expect((await command(['listen', 'mesage'], as)).stderr).to.match(/Did you mean message\b/);
  });

  it('serve runs a registry, says where, and ends well when told to', async () => {
    const variables = { ROLLCALL_PORT: '0', ROLLCALL_DATA_DIR: ':memory:' };
    const { process: child, printed, ended } = startCommand(['serve'], variables);
    await until(() => printed().stdout.includes('\n'), 15_000);
    const [, url = ''] = /^rollcall ready (http:\S+)$/m.exec(printed().stdout) ?? [];
    expect(await command(['call', 'status', '--url', url])).to.include({ code: 0, stdout: '{"meshblu":"online"}\n' });
    child.kill('SIGTERM');
    expect(await ended).to.have.property('code', 0);
  });

  it('token makes a session token for its own device, with a tag', async () => {
    the.stub.answer = ({ input }) => ({ ...input, token: 'fresh', createdAt: '2030-01-01T00:00:00.000Z' });
    const { code, stdout } = await command(['token', '--tag', 'phone'], as);
    expect(code).to.equal(0);
    expect(JSON.parse(stdout)).to.include({ uuid: 'lamp', tag: 'phone', token: 'fresh' });
    expect(the.stub.calls[0]).to.deep.include({ event: 'generateAndStoreToken', input: { uuid: 'lamp', tag: 'phone' } });
    expect(await command(['token'], { ROLLCALL_URL: the.stub.url })).to.include({ code: 1 });
  });

  describe('says an expected failure in one sentence, without a stack trace (V6)', () => {
    const isSentence = ({ code, stderr }: { readonly code: number | null; readonly stderr: string }): void => {
      expect(code).to.equal(1);
      expect(stderr).not.to.match(/^\s+at /m);
      expect(stderr.trim().split('\n'), stderr).to.have.length(1);
    };

    it('audit verify beside a running registry', async () => {
      const dataDir = mkdtempSync(join(tmpdir(), 'rollcall-cli-'));
      const registry = await createRegistry({ dataDir, port: 0, logLevel: 'error' });
      try {
        const ended = await command(['audit', 'verify'], { ROLLCALL_DATA_DIR: dataDir });
        isSentence(ended);
        expect(ended.stderr).to.match(/use|running|another process/i);
      } finally {
        await registry.close();
        rmSync(dataDir, { recursive: true, force: true });
      }
    });

    it('audit verify of a folder without a registry, and with a setting that cannot be read', async () => {
      const dataDir = mkdtempSync(join(tmpdir(), 'rollcall-cli-'));
      isSentence(await command(['audit', 'verify'], { ROLLCALL_DATA_DIR: dataDir }));
      isSentence(await command(['audit', 'verify'], { ROLLCALL_DATA_DIR: dataDir, ROLLCALL_PORT: 'x' }));
      rmSync(dataDir, { recursive: true, force: true });
    });

    it('a call to a port where nothing listens', async function () {
      this.timeout(40_000);
      isSentence(await command(['call', 'whoami', '--url', 'http://127.0.0.1:1', '--uuid', 'lamp', '--token', 'secret']));
    });
  });
});
