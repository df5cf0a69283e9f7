import { spawn, execFile, type ChildProcess } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { access, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/**
 * Tests the OpenAPI document from outside: `npm run test:openapi`. Schemathesis, in a virtual environment of its own under `.cache`, calls a registry
 * that is started for it, and fails on any answer that the document does not say. `test/openapi` has its settings, what it leaves out, and the versions
 * of everything that is installed. Needs python3 with venv. Whatever follows `--` goes on to schemathesis.
 */
const root = fileURLToPath(new URL('..', import.meta.url));
const requirements = join(root, 'test', 'openapi', 'requirements.txt');
const settings = join(root, 'test', 'openapi', 'schemathesis.toml');

/** The whole run is over by then, or has failed. */
const patienceMs = 170_000;

const run = promisify(execFile);

/** The environment with exactly these requirements; made once. */
const environment = async (): Promise<string> => {
  const name = createHash('sha256')
    .update(await readFile(requirements))
    .digest('hex')
    .slice(0, 12);
  const folder = join(root, '.cache', `schemathesis-${name}`);
  const ready = join(folder, 'ready');
  const isReady = await access(ready).then(
    () => true,
    () => false,
  );
  if (!isReady) {
    await mkdir(folder, { recursive: true });
    await run('python3', ['-m', 'venv', '--clear', folder]);
    await run(join(folder, 'bin', 'python'), ['-m', 'pip', 'install', '--quiet', '--no-deps', '-r', requirements]);
    await writeFile(ready, '');
  }
  return folder;
};

/** Starts the built registry; resolves to where it serves. */
const startRegistry = async (
  dataDir: string,
  password: string,
): Promise<{ readonly url: string; readonly child: ChildProcess }> => {
  const child = spawn(process.execPath, ['--enable-source-maps', join(root, 'server', 'dist', 'app', 'main.js')], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      ...process.env,
      ROLLCALL_PORT: '0',
      ROLLCALL_DATA_DIR: dataDir,
      ROLLCALL_ADMIN_PASSWORD: password,
      ROLLCALL_CALLS_PER_MINUTE: '0',
      ROLLCALL_LOG_LEVEL: 'error',
    },
  });
  for await (const line of createInterface({ input: child.stdout })) {
    const url = /^rollcall ready (\S+)$/.exec(line)?.[1];
    if (url !== undefined) {
      child.stdout.resume();
      return { url, child };
    }
  }
  throw new Error(`the registry ended with ${child.exitCode} before it was ready`);
};

const ended = (child: ChildProcess): Promise<number> =>
  new Promise((resolve) => {
    if (child.exitCode !== null) resolve(child.exitCode);
    else child.once('exit', (code) => resolve(code ?? 1));
  });

const login = async (url: string, password: string): Promise<string> => {
  const response = await fetch(`${url}/api/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ username: 'admin', password, expireTimeInHours: 1 }),
  });
  return ((await response.json()) as { token: string }).token;
};

const folder = await environment();
const dataDir = await mkdtemp(join(tmpdir(), 'rollcall-openapi-'));
const password = randomBytes(12).toString('base64url');
const { url, child } = await startRegistry(dataDir, password);
try {
  const token = await login(url, password);
  const tool = spawn(
    join(folder, 'bin', 'schemathesis'),
    ['--config-file', settings, 'run', `${url}/openapi.json`, '--no-color', ...process.argv.slice(2)],
    { stdio: 'inherit', cwd: dataDir, env: { ...process.env, OPENAPI_TEST_TOKEN: token } },
  );
  const timer = setTimeout(() => {
    console.error(`not done after ${patienceMs / 1000} s`);
    tool.kill();
  }, patienceMs);
  process.exitCode = await ended(tool);
  clearTimeout(timer);
  const session = await fetch(`${url}/api/session`, { headers: { authorization: `Bearer ${token}` } });
  if (session.status !== 200) {
    console.error(`the administrator's login did not live through the run: ${session.status} ${await session.text()}`);
    process.exitCode = 1;
  }
} finally {
  child.kill('SIGTERM');
  const code = await ended(child);
  if (code !== 0) {
    console.error(`the registry ended with ${code}`);
    process.exitCode = 1;
  }
  await rm(dataDir, { recursive: true, force: true });
}
