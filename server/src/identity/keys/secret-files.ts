import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The two texts that every node of one registry shares. */
export interface Secrets {
  /** Hashing of tokens and passwords, nothing else. */
  readonly pepper: string;
  /** Seals the registry's other keys. */
  readonly secret: string;
}

const memory = ':memory:';

/** Reads a text of the data folder, or makes it: 256 random bits, mode 0600, written whole or not at all. */
const keptText = async (folder: string, name: string): Promise<string> => {
  if (folder === memory) return randomBytes(32).toString('base64url');
  const path = join(folder, name);
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const made = randomBytes(32).toString('base64url');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const temporary = `${path}.${process.pid}`;
  await writeFile(temporary, `${made}\n`, { mode: 0o600, flush: true });
  await rename(temporary, path);
  return made;
};

/** The pepper and the secret: from the settings, else from the data folder, where they are made at the first start. */
export const createSecrets = async (given: {
  readonly dataDir: string;
  readonly pepper: string | undefined;
  readonly secret: string | undefined;
}): Promise<Secrets> => ({
  pepper: given.pepper ?? (await keptText(given.dataDir, 'pepper')),
  secret: given.secret ?? (await keptText(given.dataDir, 'secret')),
});
