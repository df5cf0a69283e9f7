import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { startStub } from '../test/sdk/support/stub.ts';

/**
 * Tries the client as its users get it: `npx tsx scripts/pack.ts [url of a registry]`.
 *
 * Packs it, looks the package over, installs it alone into an empty folder, compiles a strict program against it and runs that
 * program against the registry, or against a small double of one. Ends with 0 if everything went well. Needs a built client.
 */
const run = promisify(execFile);
const root = fileURLToPath(new URL('..', import.meta.url));
const bin = (name: string): string => join(root, 'node_modules', '.bin', name);

const consumer = `import type { CallOptions, Client } from '@rollcall/client';
import { connect, RegistryError } from '@rollcall/client';

declare const process: { readonly argv: readonly string[] };
declare const console: { log(text: string): void };

const nameOf = async (client: Client, options?: CallOptions): Promise<unknown> => (await client.whoami({}, options))['name'];

const client = await connect(process.argv[2] ?? '', {}, { timeoutMs: 10_000 });
const { uuid } = client.credentials;
const stop = client.on('config', ({ meshblu }) => meshblu);
const { status }: { status: 200 } = await client.update({ name: 'packed' });
const self = await client.whoami();
await nameOf(client, { timeoutMs: 5000 });
const code = await client.device({ uuid: 'nobody' }).then(
  () => 'found',
  (error: unknown) => (error instanceof RegistryError ? error.code : 'foreign'),
);
// @ts-expect-error an input without its field does not compile
const wrong = () => client.device({});
stop();
await client.unregister({ uuid });
client.close();
console.log(JSON.stringify({ status, isSelf: self.uuid === uuid, name: self['name'], code, wrong: typeof wrong }));
`;

const expected = JSON.stringify({ status: 200, isSelf: true, name: 'packed', code: 'forbidden', wrong: 'function' });

const compilerOptions = {
  target: 'ES2023',
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  skipLibCheck: false,
  types: [],
};

/** What a program for Node, and one that a bundler puts into a page, are compiled with. Neither has the other's types. */
const projects = {
  'tsconfig.json': { ...compilerOptions, module: 'NodeNext', lib: ['ES2023'] },
  'tsconfig.page.json': {
    ...compilerOptions,
    module: 'ESNext',
    moduleResolution: 'bundler',
    lib: ['ES2023', 'DOM'],
    noEmit: true,
  },
};

const step = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
  const began = performance.now();
  const result = await work();
  console.log(`${name}: ${Math.round(performance.now() - began)} ms`);
  return result;
};

/** A registry's double with one device. */
const double = async () => {
  const stub = await startStub();
  let name: unknown;
  stub.answer = ({ event, input }) => {
    if (event === 'device') return { error: 'Forbidden', status: 403, code: 'forbidden' };
    if (event === 'update') name = input['name'];
    return { uuid: 'new-device', name, ...(event === 'update' && { status: 200 }) };
  };
  return stub;
};

const tryClient = async (folder: string, url: string): Promise<void> => {
  const tarball = await step('pack', async () => {
    await run('npm', ['pack', '-w', 'client-sdk', '--pack-destination', folder], { cwd: root });
    return join(folder, (await readdir(folder)).find((name) => name.endsWith('.tgz')) ?? '');
  });
  await step('publint', () => run(bin('publint'), ['run', tarball, '--strict'], { cwd: root }));
  await step('attw', () => run(bin('attw'), [tarball, '--profile', 'esm-only'], { cwd: root }));
  await step('install', async () => {
    await writeFile(join(folder, 'package.json'), JSON.stringify({ name: 'consumer', private: true, type: 'module' }));
    await run('npm', ['install', tarball, '--prefer-offline', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: folder });
  });
  await step('compile', async () => {
    await writeFile(join(folder, 'consumer.ts'), consumer);
    for (const [file, options] of Object.entries(projects)) {
      await writeFile(join(folder, file), JSON.stringify({ compilerOptions: options, files: ['consumer.ts'] }));
      await run(bin('tsc'), ['-p', file], { cwd: folder });
    }
  });
  const { stdout } = await step('run', () => run(process.execPath, ['consumer.js', url], { cwd: folder, timeout: 60_000 }));
  if (stdout.trim() !== expected) throw new Error(`The consumer printed ${stdout.trim()}, not ${expected}`);
};

const folder = await mkdtemp(join(tmpdir(), 'rollcall-pack-'));
const [, , given] = process.argv;
const stub = given === undefined ? await double() : undefined;
try {
  await tryClient(folder, given ?? stub?.url ?? '');
  console.log('The packed client works.');
} catch (error) {
  const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
  console.error(stdout, stderr, error);
  process.exitCode = 1;
} finally {
  await stub?.close();
  await rm(folder, { recursive: true, force: true });
}
