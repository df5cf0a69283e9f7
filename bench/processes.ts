import { fork, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Job, Loop } from './load/jobs.ts';
import type { Memory } from './memory.ts';
import { pepper } from './population.ts';

/** A server that runs in a process of its own. */
export interface Served {
  readonly url: string;
  /** Milliseconds of processor time that it has used so far; NaN where the system does not tell. */
  processorMs(): number;
  /** Memory after a collection of garbage; only of servers started for it. */
  memory(): Promise<Memory>;
  stop(): Promise<void>;
}

/** Where the processes of a run leave their processor profiles; none if it is not set. */
export interface Profiling {
  readonly folder: string | undefined;
}

const pathOf = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));
const tsx = ['--import', 'tsx'];
/** One tick of `/proc/<pid>/stat`, in milliseconds. */
const tickMs = 10;

/** Processes that still run; they end with this one. */
const running = new Set<ChildProcess>();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

const start = (script: string, args: readonly string[], env: Readonly<Record<string, string>>, node: string[]): ChildProcess => {
  const child = fork(pathOf(script), args, {
    env: { ...process.env, ...env },
    execArgv: node,
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  running.add(child);
  child.on('exit', () => running.delete(child));
  return child;
};

const processorMsOf = (pid: number | undefined): number => {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return (Number(fields[11]) + Number(fields[12])) * tickMs;
  } catch {
    return Number.NaN;
  }
};

const stopped = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    child.once('exit', () => resolve());
    child.kill('SIGTERM');
  });

const served = (child: ChildProcess, ready = / ready (http\S+)/): Promise<Served> =>
  new Promise((resolve, reject) => {
    let text = '';
    child.once('exit', (code) => reject(new Error(`a server ended with ${code} before it was ready`)));
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      const url = ready.exec(text)?.[1];
      if (url === undefined) return;
      resolve({
        url,
        processorMs: () => processorMsOf(child.pid),
        memory: () =>
          new Promise((answer) => {
            child.once('message', (memory) => answer(memory as Memory));
            child.send('memory');
          }),
        stop: () => stopped(child),
      });
    });
  });

/** Where a registry keeps its devices. */
export type Place = ({ readonly dataDir: string } | { readonly mongodbUrl: string }) & { readonly adminPassword?: string };

const environment = (place: Place): Record<string, string> => ({
  ROLLCALL_PORT: '0',
  ROLLCALL_CALLS_PER_MINUTE: '0',
  ROLLCALL_LOG_LEVEL: 'warn',
  ROLLCALL_PEPPER: pepper,
  ROLLCALL_SECRET: 'secret of the benchmark',
  ...(place.adminPassword !== undefined && { ROLLCALL_ADMIN_PASSWORD: place.adminPassword }),
  ...('dataDir' in place ? { ROLLCALL_DATA_DIR: place.dataDir } : { ROLLCALL_MONGODB_URL: place.mongodbUrl }),
});

/** The administrator's password of registries that need one. */
export const adminPassword = 'password of the benchmark';

let profiles = 0;

/** Node's options that leave processor profiles in a folder of this name: one of each thread. */
const profiled = (name: string, { folder }: Profiling): string[] =>
  folder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${folder}/${name}-${profiles++}`];

/** Starts the built registry as its users do. */
export const startRegistry = (place: Place, profiling: Profiling): Promise<Served> =>
  served(start('../server/dist/app/main.js', [], environment(place), profiled('registry', profiling)));

/** Starts the built registry with MQTT; what it is served at is the broker's URL, `http` the registry's. */
export const startBroker = async (place: Place, profiling: Profiling): Promise<Served & { readonly http: string }> => {
  const env = { ...environment(place), ROLLCALL_MQTT_PORT: '0', ROLLCALL_ADMIN_PASSWORD: adminPassword };
  const child = start('../server/dist/app/main.js', [], env, profiled('broker', profiling));
  const [http, mqtt] = await Promise.all([served(child), served(child, /(mqtt:\S+)/)]);
  return { ...mqtt, http: http.url };
};

/** Starts aedes alone. */
export const startRawBroker = (profiling: Profiling): Promise<Served> =>
  served(start('raw-broker.ts', [], {}, [...tsx, '--expose-gc', ...profiled('raw-broker', profiling)]));

/** Starts a registry that can tell its memory. */
export const startMeasuredRegistry = (place: Place): Promise<Served> =>
  served(start('memory-registry.ts', [], environment(place), [...tsx, '--expose-gc']));

/** Starts the raw server. `answer`: what it answers to `device`, as JSON; `mongodbUrl`: its database, if it needs one. */
export const startRaw = (
  { answer = 'null', mongodbUrl }: { readonly answer?: string; readonly mongodbUrl?: string },
  profiling: Profiling,
): Promise<Served> =>
  served(
    start('raw-server.ts', [answer, ...(mongodbUrl === undefined ? [] : [mongodbUrl])], {}, [
      ...tsx,
      '--expose-gc',
      ...profiled('raw', profiling),
    ]),
  );

/** Starts the bare Fastify server, whose one route answers this text. */
export const startBareHttp = (text: string, profiling: Profiling): Promise<Served> =>
  served(start('bare-http.ts', [text], {}, [...tsx, ...profiled('bare', profiling)]));

/** The one process that makes the load. */
export interface Load {
  run(job: Job): Promise<Loop>;
  stop(): Promise<void>;
}

/** Starts the load process. */
export const startLoad = (): Load => {
  const child = start('load/main.ts', [], {}, tsx);
  return {
    run: (job) =>
      new Promise((resolve, reject) => {
        const ended = (): void => reject(new Error('the load process ended'));
        child.once('exit', ended);
        child.once('message', (message: { readonly outcome?: Loop; readonly error?: string }) => {
          child.off('exit', ended);
          if (message.outcome === undefined) reject(new Error(message.error));
          else resolve(message.outcome);
        });
        child.send(job);
      }),
    async stop() {
      child.disconnect();
      await new Promise((resolve) => child.once('exit', resolve));
    },
  };
};
