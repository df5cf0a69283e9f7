import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { root } from './support/imports.ts';
import { toolMissing, toolsOrSkip } from './support/tools.ts';
import { until } from './support/until.ts';

const run = promisify(execFile);

/** Copies the sources, without what a build or a run leaves, and hard-links the installed packages: a clone after `npm ci`. */
const clone = async (): Promise<string> => {
  const folder = mkdtempSync(join(tmpdir(), 'rollcall-clone-'));
  const left = new Set(['.git', '.cache', 'data', 'coverage', '.env']);
  const names = readdirSync(root).filter((name) => !left.has(name));
  await run('cp', ['-al', ...names.map((name) => join(root, name)), folder]);
  for (const workspace of ['client-sdk', 'server', 'test', 'bench'])
    rmSync(join(folder, workspace, 'dist'), { recursive: true, force: true });
  return folder;
};

/** The code blocks of a page in order, with their language. */
const blocksIn = (page: string): readonly (readonly [language: string, text: string])[] =>
  [...page.matchAll(/^```(\w+)\n([\s\S]*?)^```/gm)].map(([, language = '', text = '']) => [language, text]);

describe('a fresh clone', () => {
  let folder = '';
  before(async function () {
    this.timeout(60_000);
    toolsOrSkip(this, 'cp', 'bash', 'curl', 'openssl');
    folder = await clone();
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('has the command rollcall right after the installation: it says that it builds, and does (T2)', async function () {
    this.timeout(120_000);
    const link = join(root, 'node_modules', '.bin', 'rollcall');
    expect(existsSync(link), 'npm ci links node_modules/.bin/rollcall').to.equal(true);
    const { stdout, stderr } = await run(process.execPath, [join(folder, 'node_modules', '.bin', 'rollcall'), '--help'], {
      cwd: folder,
    });
    expect(stderr).to.match(/not built yet: building it/);
    expect(stdout).to.match(/Usage: rollcall/);
    const again = await run(process.execPath, [join(folder, 'node_modules', '.bin', 'rollcall'), '--version'], { cwd: folder });
    expect(again.stderr).to.equal('');
  });

  it('starts, says what it does meanwhile, and runs every example of the README in order (T3, V6)', async function () {
    this.timeout(120_000);
    const mosquitto = toolMissing('mosquitto_pub') === undefined;
    const child = spawn(process.execPath, ['scripts/start.mjs'], {
      cwd: folder,
      env: { PATH: process.env['PATH'], ROLLCALL_PORT: '0', ROLLCALL_MQTT_PORT: '0' },
    });
    const said = { out: '', error: '' };
    child.stdout.on('data', (text: Buffer) => (said.out += text.toString()));
    child.stderr.on('data', (text: Buffer) => (said.error += text.toString()));
    try {
      await until(() => {
        if (child.exitCode !== null) throw new Error(`it ended: ${said.error}`);
        return /^MQTT: .*$/m.test(said.out);
      }, 90_000);
      expect(said.error).to.match(/^(Building|Looking whether)/);
      const [, url = ''] = /^rollcall ready (\S+)$/m.exec(said.out) ?? [];
      const [, port = ''] = /^MQTT: mqtt:\/\/\S+:(\d+)$/m.exec(said.out) ?? [];
      const blocks = blocksIn(readFileSync(join(folder, 'README.md'), 'utf8'));
      const shell = blocks
        .filter(
          ([language, text]) => language === 'sh' && !/npm (ci|start)/.test(text) && (mosquitto || !text.includes('mosquitto')),
        )
        .map(([, text]) =>
          text
            .replaceAll(/^(npx rollcall listen [^#\n]*).*$/gm, '$1 & listening=$!; sleep 0.2; kill $listening')
            .replaceAll(/mosquitto_(pub|sub) /g, `mosquitto_$1 -p ${port} `)
            .replaceAll(/-W 10 /g, '-W 2 '),
        );
      expect(shell.length).to.be.above(6);
      const script = `${shell.join('\n')}\nwait`.replaceAll('http://127.0.0.1:3000', url);
      const path = `${join(folder, 'node_modules', '.bin')}${delimiter}${process.env['PATH'] ?? ''}`;
      const shown = await run('bash', ['-euo', 'pipefail', '-c', script], {
        cwd: folder,
        env: { ...process.env, PATH: path, ROLLCALL_URL: url },
      }).catch((error: { stdout: string; stderr: string }) => {
        throw new Error(`${error.stdout.slice(-2_000)}\n${error.stderr.slice(-2_000)}`);
      });
      expect(shown.stdout).not.to.match(/"error":/);
      const code = blocks
        .filter(([language]) => language === 'ts')
        .map(([, text]) => text.replaceAll('http://127.0.0.1:3000', url));
      expect(code).not.to.have.length(0);
      for (const [index, text] of code.entries()) {
        const file = join(folder, `example-${index}.mjs`);
        writeFileSync(file, text);
        await run(process.execPath, [file], { cwd: folder });
      }
    } finally {
      child.kill('SIGTERM');
      if (child.exitCode === null) await once(child, 'exit');
    }
  });
});
