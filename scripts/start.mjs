import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * `npm start`: builds client and server if anything has changed, reads the settings of `.env` if there is one, and runs the registry in this
 * very process. A signal to npm ends only the shell between the two: the registry shuts down when that shell is gone.
 */
const root = fileURLToPath(new URL('..', import.meta.url));
const compiler = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');

console.error(
  existsSync(join(root, 'server', 'dist', 'app', 'main.js'))
    ? 'Looking whether anything has to be built …'
    : 'Building client and server; the first time this takes up to a minute …',
);
try {
  execFileSync(process.execPath, [compiler, '-b', join(root, 'client-sdk'), join(root, 'server')], { stdio: 'inherit' });
} catch {
  process.exit(1);
}
const file = join(root, '.env');
if (existsSync(file)) process.loadEnvFile(file);
console.error('Starting the registry …');
await import('../server/dist/app/main.js');

const shell = process.ppid;
if (process.env['npm_lifecycle_event'] === 'start')
  setInterval(() => process.ppid !== shell && process.kill(process.pid, 'SIGTERM'), 250).unref();
