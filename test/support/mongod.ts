import { execFile } from 'node:child_process';
import { accessSync, constants, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { MongoMemoryReplSet } from 'mongodb-memory-server-core';

/** A server to test against, or the sentence to report a skipped test with. */
export type FoundMongod = { uri: string } | { skip: string };

/** A replica set of one's own. `members` are the processes' ids, so that a test can kill or stop one of them. */
export interface StartedReplicaSet {
  uri: string;
  members: { pid: number; port: number }[];
  stop(): Promise<void>;
}

type Binary = { path: string; version: string } | { download: true } | { skip: string };

const run = promisify(execFile);
const cached = join(fileURLToPath(new URL('../../..', import.meta.url)), '.cache', 'mongod', 'mongod');

/** Longest time a first download by mongodb-memory-server-core may take, in milliseconds. */
const downloadMs = 120_000;

let shared: Promise<FoundMongod> | undefined;

/**
 * The one replica set of this test run, started at the first call, or why there is none. Stops with the process.
 *
 * Looks at `MONGODB_TEST_URI`; then for a mongod in `MONGOMS_SYSTEM_BINARY`, on the PATH, in the project's cache
 * (filled by `scripts/mongod.ts`); then lets mongodb-memory-server-core download one. Use a database name of your own in it.
 */
export function mongodUri(): Promise<FoundMongod> {
  shared ??= find();
  return shared;
}

/** The same for the hook of a suite: where there is none the suite is pending, with the reason in its title. */
export async function mongodUriOrSkip(hook: Mocha.Context): Promise<string> {
  const found = await mongodUri();
  if ('uri' in found) return found.uri;
  if (hook.test !== undefined) hook.test.title = `skipped: ${found.skip}`;
  return hook.skip();
}

async function find(): Promise<FoundMongod> {
  const given = process.env['MONGODB_TEST_URI'];
  if (given) return { uri: given };
  const started = await startReplicaSet(1);
  return 'skip' in started ? started : { uri: started.uri };
}

/** Starts a replica set of `count` mongods on free loopback ports; `args` are added to each command line. */
export async function startReplicaSet(count: number, args: string[] = []): Promise<StartedReplicaSet | { skip: string }> {
  const binary = await findBinary();
  if ('skip' in binary) return binary;
  const set = new MongoMemoryReplSet({
    replSet: {
      count,
      storageEngine: 'wiredTiger',
      configSettings: { electionTimeoutMillis: 1000, heartbeatIntervalMillis: 200 },
      args: ['--wiredTigerCacheSizeGB', '0.25', '--setParameter', 'ttlMonitorSleepSecs=1', ...args],
    },
    ...('path' in binary ? { binary: { systemBinary: binary.path, version: binary.version } } : {}),
  });
  try {
    await limited(set.start());
  } catch (error) {
    return { skip: `mongod did not start: ${error instanceof Error ? error.message : String(error)}` };
  }
  return managed(set);
}

/** Lets the process end although mongod runs: it is stopped when nothing else is left to do, or killed on `process.exit()`. */
function managed(set: MongoMemoryReplSet): StartedReplicaSet {
  const members = set.servers.flatMap((server) => {
    const instance = server.instanceInfo?.instance;
    const process = instance?.mongodProcess;
    if (process?.pid === undefined) return [];
    for (const pipe of [process.stdout, process.stderr, process.stdin]) (pipe as { unref?: () => void } | null)?.unref?.();
    instance?.killerProcess?.channel?.unref();
    return [{ pid: process.pid, port: server.instanceInfo?.port ?? 0, folder: server.instanceInfo?.dbPath }];
  });
  let stopping: Promise<void> | undefined;
  const stop = () => {
    stopping ??= set.stop().then(() => undefined);
    return stopping;
  };
  process.once('beforeExit', () => void stop());
  process.once('exit', () => {
    if (stopping === undefined) members.forEach(kill);
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      members.forEach(kill);
      // Whoever else listens decides how the process ends; otherwise it ends as if nobody had listened.
      if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
    });
  }
  return { uri: set.getUri(), members: members.map(({ pid, port }) => ({ pid, port })), stop };
}

function kill({ pid, folder }: { pid: number; folder: string | undefined }): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has already ended.
  }
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
}

async function limited(work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing after ${downloadMs / 1000} s`)), downloadMs);
  });
  await Promise.race([work, late]).finally(() => clearTimeout(timer));
}

async function findBinary(): Promise<Binary> {
  const path = candidates().find(executable);
  if (path === undefined) return { download: true };
  try {
    const { stdout } = await run(path, ['--version']);
    return { path, version: /db version v([\d.]+)/.exec(stdout)?.[1] ?? '6.0.5' };
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    if (/libcurl/.test(text)) return { skip: 'mongod needs libcurl4, which is not installed (apt-get install libcurl4)' };
    return { skip: `${path} does not run: ${text}` };
  }
}

function candidates(): string[] {
  const named = process.env['MONGOMS_SYSTEM_BINARY'];
  const onPath = (process.env['PATH'] ?? '').split(delimiter).filter(Boolean);
  return [...(named ? [named] : []), ...onPath.map((folder) => join(folder, 'mongod')), cached];
}

function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
