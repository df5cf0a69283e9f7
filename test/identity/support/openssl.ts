import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { toolsOrSkip } from '../../support/tools.ts';

const run = promisify(execFile);

/** Keys, certificates and requests made by the `openssl` command, each in a folder of its own. */
export interface Openssl {
  /** Runs a command; `$name` in its arguments stands for a file of that name in the folder. Answers what it printed. */
  run(command: string, ...more: readonly string[]): Promise<string>;
  read(name: string): Promise<string>;
  write(name: string, text: string): Promise<void>;
  /** The full path of a file. */
  path(name: string): string;
  remove(): Promise<void>;
}

/** A folder for them. Skips the test or suite of `context` where there is no `openssl`. */
export const openOpenssl = async (context: Mocha.Context): Promise<Openssl> => {
  toolsOrSkip(context, 'openssl');
  const folder = await mkdtemp(join(tmpdir(), 'rollcall-openssl-'));
  const path = (name: string): string => join(folder, name);
  return {
    path,
    async run(command, ...more) {
      const words = command.split(' ').map((word) => (word.startsWith('$') ? path(word.slice(1)) : word));
      return (await run('openssl', [...words, ...more], { cwd: folder })).stdout;
    },
    read: (name) => readFile(path(name), 'utf8'),
    write: (name, text) => writeFile(path(name), text),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
};

/** Makes `<name>.key` and `<name>.crt`: an authority of its own. */
export const makeRoot = async (openssl: Openssl, name: string, subject = `/CN=${name}`): Promise<string> => {
  await openssl.run(
    `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $${name}.key -out $${name}.crt -days 30 -subj`,
    subject,
  );
  return openssl.read(`${name}.crt`);
};

/** Makes `<name>.key` and `<name>.csr`, a request for a certificate. */
export const makeRequest = async (
  openssl: Openssl,
  name: string,
  subject = `/CN=${name}`,
  key = 'ec -pkeyopt ec_paramgen_curve:P-256',
): Promise<string> => {
  await openssl.run(`req -new -newkey ${key} -nodes -keyout $${name}.key -out $${name}.csr -subj`, subject);
  return openssl.read(`${name}.csr`);
};
