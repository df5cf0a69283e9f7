import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '@rollcall/client';
import { expect } from 'chai';
import { connectAs, register } from '../support/meshblu.ts';
import { mongodUriOrSkip } from '../support/mongod.ts';
import { until } from '../support/until.ts';
import { freshDatabase, startNode, startProcess, type NodeProcess } from '../realtime/support/processes.ts';
import { adminPassword, stewardOf, type Steward } from '../identity/support/steward.ts';

const settings = { ROLLCALL_ADMIN_PASSWORD: adminPassword };

/** Enough for the phases of a restore to be met. */
const manyDevices = async (url: string, count: number): Promise<void> => {
  const { uuid, token } = await register(url, { type: 'gateway' });
  const gateway = await connectAs(url, { uuid, token });
  const text = 'x'.repeat(2_000);
  for (let done = 0; done < count; done += 50)
    await Promise.all(
      Array.from({ length: 50 }, (_, index) => gateway.ask('register', { type: 'thing', index: done + index, text })),
    );
  gateway.close();
};

/** Is this user there? */
const exists = async (admin: Steward, id: string): Promise<boolean> => {
  let status = 0;
  await until(async () => {
    ({ status } = await admin.ask('GET', `/api/users/${id}`));
    return status === 200 || status === 404;
  }, 30_000);
  return status === 200;
};

const newUser = async (admin: Steward, username: string): Promise<string> => {
  const { body } = await admin.ask('POST', '/api/users', { username, password: 'secret1' });
  return (body as { id: string }).id;
};

describe('a restore in a process that is killed', function () {
  this.timeout(180_000);
  let folder = '';
  let running: NodeProcess;
  const start = async (): Promise<void> => {
    running = await startProcess({ ROLLCALL_DATA_DIR: folder, ...settings });
  };
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'rollcall-killed-'));
    await start();
  });
  after(async () => {
    await running.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('is undone or was done, wholly, in whichever phase the kill meets it', async () => {
    const admin = stewardOf(() => running.url);
    await manyDevices(running.url, 600);
    const archived = await newUser(admin, 'archived');
    const archive = await admin.backup();
    const outcomes: string[] = [];
    let round = 0;
    for (const phase of ['', 'Checking', 'Waiting', 'Replacing', 'Replacing', 'restored', 'Replacing']) {
      round += 1;
      if (await exists(admin, archived)) expect((await admin.ask('DELETE', `/api/users/${archived}`)).status).to.equal(204);
      const later = await newUser(admin, `later${round}`);
      const token = await admin.token();
      expect(await admin.send(archive)).to.equal(202);
      const headers = { authorization: `Bearer ${token}` };
      await until(async () => {
        const answer = await fetch(`${running.url}/api/maintenance/db`, { headers }).catch(() => undefined);
        const told = (await answer?.json().catch(() => undefined)) as { restore?: { statusMessage: string } } | undefined;
        return answer === undefined || answer.status === 401 || told?.restore?.statusMessage.includes(phase) === true;
      }, 30_000);
      await new Promise((resolve) => setTimeout(resolve, phase === 'Replacing' ? round * 15 : 0));
      running.signal('SIGKILL');
      await until(() => running.ended);
      await start();
      const [old, fresh] = [await exists(admin, later), await exists(admin, archived)];
      expect([old, fresh].filter(Boolean), `round ${round}: ${phase}`).to.have.lengthOf(1);
      outcomes.push(fresh ? 'done' : 'undone');
      await until(async () => !(await admin.status()).running, 30_000);
    }
    expect(outcomes).to.include('undone');
    const { restore } = await admin.status();
    expect(restore?.endDate).to.be.a('string');
  });
});

describe('a restore on two nodes of one MongoDB', function () {
  this.timeout(180_000);
  let nodes: NodeProcess[] = [];
  let url = '';
  before(async function () {
    url = freshDatabase(await mongodUriOrSkip(this));
    nodes = await Promise.all([startNode(url, settings), startNode(url, settings)]);
  });
  after(async () => {
    for (const node of nodes) await node.stop();
  });

  it('stops both, the other one answers 503, and afterwards both serve the archive with a new feed', async () => {
    const [first, second] = nodes as [NodeProcess, NodeProcess];
    const admin = stewardOf(() => first.url);
    await manyDevices(first.url, 400);
    const { uuid, token } = await register(second.url, { type: 'sensor', value: 1 });
    const archive = await admin.backup();
    const client = await connect(second.url, { uuid, token });
    await client.update({ value: 2 });
    const told: string[] = [];
    client.on('resync', ({ reason }) => told.push(reason));
    const made = await register(second.url, { type: 'made later' });

    const statuses = new Set<number>();
    let asking = true;
    const asked = (async () => {
      while (asking) {
        for (const path of ['/status', '/api/session', '/v2/whoami']) statuses.add((await fetch(second.url + path)).status);
      }
    })();
    const other = stewardOf(() => second.url);
    expect(await admin.restore(archive)).to.include({ succeeded: true });
    asking = false;
    await asked;
    expect([...statuses]).to.include(503);

    await until(() => told.includes('other-feed'), 30_000);
    expect(await client.whoami()).to.include({ value: 1 });
    for (const node of nodes) {
      const refused = await connectAs(node.url, made).catch((error: Error) => error.message);
      expect(refused).to.include('401');
      (await connectAs(node.url, { uuid, token })).close();
    }
    const seen: unknown[] = [];
    client.on('config', (device) => seen.push(device['value']));
    const elsewhere = await connectAs(first.url, { uuid, token });
    await elsewhere.ask('update', { value: 5 });
    await until(() => seen.at(-1) === 5);
    elsewhere.close();
    client.close();
    expect(await other.status()).to.deep.equal(await admin.status());
  });

  it('that loses the node which does it is undone by the other one', async () => {
    const [, second] = nodes as [NodeProcess, NodeProcess];
    const doomed = await startNode(url, settings);
    const admin = stewardOf(() => second.url);
    const archive = await admin.backup();
    const id = await newUser(admin, 'survivor');
    const there = stewardOf(() => doomed.url);
    const token = await there.token();
    expect(await there.send(archive)).to.equal(202);
    await until(async () => {
      const answer = await fetch(`${doomed.url}/api/maintenance/db`, { headers: { authorization: `Bearer ${token}` } });
      const { restore } = (await answer.json()) as { restore?: { statusMessage: string } };
      return answer.status === 401 || /Replacing|restored/.test(restore?.statusMessage ?? '');
    }, 30_000);
    doomed.signal('SIGKILL');
    const isThere = await (async () => {
      await until(async () => !(await admin.status()).running, 60_000);
      return exists(admin, id);
    })();
    const { restore } = await admin.status();
    expect(restore?.succeeded).to.equal(!isThere);
  });
});
