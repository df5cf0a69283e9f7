import { execFile } from 'node:child_process';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import * as contract from '@rollcall/client/contract';
import { createRegistry } from '@rollcall/server';
import { expect } from 'chai';
import { mosquittoMissing } from './mqtt/support/mosquitto.ts';
import { root } from './support/imports.ts';
import { toolsOrSkip } from './support/tools.ts';

const run = promisify(execFile);

const read = (path: string): string => readFileSync(join(root, path), 'utf8');

const pages = ['', 'docs', 'docs/decisions', 'docs/reference', 'client-sdk'].flatMap((folder) =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(folder, name)),
);

/** The shell examples of one section of a page. */
const examplesIn = (page: string, section: string): readonly string[] => {
  const [, text = ''] = page.split(`\n## ${section}\n`);
  const [own = ''] = text.split('\n## ');
  return [...own.matchAll(/^```sh\n([^`]*)^```/gm)].map(([, example = '']) => example);
};

describe('the documents', () => {
  it('that are written from the code are fresh', async function () {
    this.timeout(60_000);
    const tsx = ['--import', 'tsx', '--conditions=rollcall-source'];
    const outcome = await run(process.execPath, [...tsx, 'scripts/docs.ts', '--check'], { cwd: root }).then(
      () => '',
      ({ stderr }: { stderr: string }) => stderr,
    );
    expect(outcome).to.equal('');
  });

  it('lead to files that exist', () => {
    const broken = pages.flatMap((page) =>
      [...read(page).matchAll(/\]\((?!https?:)([^)#\s]+)[^)]*\)/g)]
        .map(([, target = '']) => target)
        .filter((target) => !existsSync(join(root, dirname(page), target)))
        .map((target) => `${page}: ${target}`),
    );
    expect(broken).to.deep.equal([]);
  });

  it('name only commands that package.json has', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Readonly<Record<string, string>> };
    const named = pages.flatMap((page) => [...read(page).matchAll(/npm run ([\w:]+)/g)].map(([, name = '']) => name));
    expect(named.filter((name) => !(name in scripts))).to.deep.equal([]);
    expect(scripts).to.include.keys('start', 'test');
  });

  it('tell of every publication and call option in the protocol', () => {
    const protocol = read('docs/protocol.md');
    const words = [...Object.keys(contract.publications), 'reqId', 'again', 'rev', 'as'];
    expect(words.filter((word) => !protocol.includes(`\`${word}\``))).to.deep.equal([]);
  });

  it('number the decisions without a gap, each with its date', () => {
    const records = pages.filter((page) => page.startsWith(join('docs', 'decisions'))).sort();
    const numbers = records.map((page) => Number(/(\d{4})-[a-z0-9-]+\.md$/.exec(page)?.[1]));
    expect(numbers).to.deep.equal(numbers.map((_, index) => index + 1));
    for (const page of records) expect(read(page), page).to.match(/^# \d+\. .*\n\n\d{4}-\d\d-\d\d\n\n## Context\n/);
  });
});

describe("the README's first administrator", () => {
  it('logs in and makes a viewer and an operator as it is printed', async function () {
    this.timeout(30_000);
    toolsOrSkip(this, 'bash', 'curl');
    const folder = mkdtempSync(join(tmpdir(), 'rollcall-readme-'));
    const { url, close } = await createRegistry({ dataDir: join(folder, 'data'), port: 0, logLevel: 'error' });
    try {
      const [login = '', making = ''] = examplesIn(read('README.md'), 'Users, roles and logins');
      const script = `${login}\necho\n${making}`.replaceAll('http://127.0.0.1:3000', url);
      const { stdout } = await run('bash', ['-euo', 'pipefail', '-c', script], { cwd: folder });
      const [session, anna] = stdout.trim().split('\n');
      expect(JSON.parse(session ?? '')).to.include({ username: 'admin' });
      const made = JSON.parse(anna ?? '') as { roles: { name: string }[] };
      expect(made.roles.map(({ name }) => name)).to.deep.equal(['viewer']);
    } finally {
      await close();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe("the README's device that asks for itself", () => {
  it('gets a certificate as it is printed', async function () {
    this.timeout(30_000);
    toolsOrSkip(this, 'bash', 'curl', 'openssl');
    const folder = mkdtempSync(join(tmpdir(), 'rollcall-readme-'));
    const { url, close } = await createRegistry({ dataDir: join(folder, 'data'), port: 0, logLevel: 'error' });
    try {
      const [login = ''] = examplesIn(read('README.md'), 'Users, roles and logins');
      const [asking = ''] = examplesIn(read('README.md'), 'Devices that ask for themselves');
      const script = `${login}\n${asking}`.replaceAll('http://127.0.0.1:3000', url);
      await run('bash', ['-euo', 'pipefail', '-c', script], { cwd: folder });
      const certificate = new X509Certificate(readFileSync(join(folder, 'pump.crt')));
      expect(certificate.subject).to.equal('CN=pump');
      expect(certificate.checkPrivateKey(createPrivateKey(readFileSync(join(folder, 'pump.key'))))).to.equal(true);
    } finally {
      await close();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe("the README's group", () => {
  it('is made and shared, and has a token and client records, as it is printed', async function () {
    this.timeout(30_000);
    toolsOrSkip(this, 'bash', 'curl', 'openssl');
    const folder = mkdtempSync(join(tmpdir(), 'rollcall-readme-'));
    const { url, close } = await createRegistry({ dataDir: join(folder, 'data'), port: 0, logLevel: 'error' });
    try {
      const [login = ''] = examplesIn(read('README.md'), 'Users, roles and logins');
      const [group = '', records = ''] = examplesIn(read('README.md'), 'Groups, and logins for MQTT');
      const script = `${login}\n${group}\n${records}`
        .replaceAll(/^send /gm, 'echo; send ')
        .replaceAll('http://127.0.0.1:3000', url);
      const { stdout } = await run('bash', ['-euo', 'pipefail', '-c', script], { cwd: folder });
      const answers = stdout.trim().split('\n').slice(1);
      const [made, token, permanent, temporary] = answers.map((line) => JSON.parse(line) as Record<string, unknown>);
      expect(made).to.include({ type: 'group', name: 'PLANT.NORTH' });
      expect(token).to.include({ msg: 'Success' });
      expect(permanent).to.include({ clientId: 'greta-phone', owner: 'greta' });
      expect(temporary).to.include.keys('key', 'expiresAt');
    } finally {
      await close();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe("the README's MQTT clients", () => {
  it('say and hear what is printed', async function () {
    this.timeout(30_000);
    const missing = mosquittoMissing();
    if (missing !== undefined) {
      this.test!.title = `skipped: ${missing}`;
      this.skip();
    }
    const folder = mkdtempSync(join(tmpdir(), 'rollcall-readme-'));
    const { url, mqtt, close } = await createRegistry({ dataDir: join(folder, 'data'), port: 0, mqttPort: 0, logLevel: 'error' });
    try {
      const readme = read('README.md');
      const [made = ''] = examplesIn(readme, 'First steps');
      const [login = ''] = examplesIn(readme, 'Users, roles and logins');
      const [group = '', records = ''] = examplesIn(readme, 'Groups, and logins for MQTT');
      const [, talk = ''] = examplesIn(readme, 'MQTT');
      const listening = talk
        .replaceAll(/mosquitto_(pub|sub) /g, `mosquitto_$1 -p ${new URL(mqtt[0] ?? '').port} `)
        .replace('mosquitto_sub ', 'stdbuf -oL mosquitto_sub -d ')
        .replace(/ &.*\n/, ' > heard & until grep -q Subscribed heard; do sleep 0.02; done\n');
      const script = `${made}\n${login}\n${group}\n${records}\n${listening}\nuntil grep -q hello heard; do sleep 0.02; done; kill %1`;
      await run('bash', ['-euo', 'pipefail', '-c', script.replaceAll('http://127.0.0.1:3000', url)], { cwd: folder });
      const heard = readFileSync(join(folder, 'heard'), 'utf8');
      for (const told of [/"topic":"config".*"on":false/, /"topic":"update"/, /"topic":"message".*"payload":"hello"/])
        expect(heard).to.match(told);
    } finally {
      await close();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe("the README's first steps", () => {
  it('work as they are printed', async function () {
    this.timeout(30_000);
    toolsOrSkip(this, 'bash', 'curl');
    const { url, close } = await createRegistry({ dataDir: ':memory:', port: 0, logLevel: 'error' });
    try {
      const [making = '', using = ''] = examplesIn(read('README.md'), 'First steps');
      const script = `${making}${using.replaceAll(/^curl/gm, 'echo; curl')}`.replaceAll('http://127.0.0.1:3000', url);
      const { stdout } = await run('bash', ['-euo', 'pipefail', '-c', script]);
      const [self, changed, found, token] = stdout.trim().split('\n');
      expect(JSON.parse(self ?? '')).to.include({ type: 'lamp', on: false });
      expect(changed).to.equal('');
      const [lamp] = JSON.parse(found ?? '') as unknown[];
      expect(lamp).to.include({ type: 'lamp', on: true });
      expect(JSON.parse(token ?? '')).to.have.property('tag', 'phone');
    } finally {
      await close();
    }
  });
});
