import { randomUUID } from 'node:crypto';
import { chmod, mkdir, mkdtemp, open, readdir, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { RegistryError } from '@rollcall/client/contract';
import { archiveId, looksLikeArchive, magicBytes } from './archive.ts';

/** An archive file open for reading, and its size. */
export interface OpenArchive {
  readonly id: string;
  readonly path: string;
  readonly file: FileHandle;
  readonly bytes: number;
}

/** The archive files on this machine: the newest backup, and the uploads to be restored. */
export interface ArchiveFiles {
  /** Opens the newest backup; null if there is none. */
  newest(): Promise<OpenArchive | null>;
  /** Creates a backup file, which atomically replaces the newest one after `write` has succeeded. */
  make(write: (file: FileHandle) => Promise<void>): Promise<void>;
  /**
   * Stores an uploaded archive and returns the file's name.
   * Fails with `invalid-input` if it is no archive or the stream is aborted, and with `too-large`.
   */
  receive(body: Readable): Promise<string>;
  open(path: string): Promise<FileHandle>;
  remove(path: string): Promise<void>;
  close(): Promise<void>;
}

const memory = ':memory:';
const newestName = 'newest';
/** Age at which incomplete files of other processes are removed from a shared folder, in milliseconds. */
const leftMs = 86_400_000;

const noArchive = (message: string): RegistryError =>
  new RegistryError('invalid-input', message, {
    details: [{ path: '/id', rule: 'archive', message: 'an archive that a backup made' }],
  });

/** The chunks of an upload. Stopping early does not close the connection, because the sender still gets an answer. */
async function* chunksOf(body: Readable): AsyncGenerator<Buffer> {
  try {
    yield* body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
  } catch (error) {
    throw new RegistryError('invalid-input', 'The upload broke off', { cause: error });
  }
}

/** Removes incomplete files that other processes left. */
const tidy = async (folder: string, alone: boolean): Promise<void> => {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    return [];
  });
  for (const name of names) {
    if (name === newestName) continue;
    const path = join(folder, name);
    if (alone || (await stat(path)).mtimeMs < Date.now() - leftMs) await rm(path, { force: true, recursive: true });
  }
};

/**
 * Opens the archive files of a data folder, in its subfolder `archives`, created on first use and accessible to its owner only.
 * `:memory:` uses a temporary folder that is removed on close.
 * `alone`: no other process uses it.
 */
export const openArchiveFiles = async (dataDir: string, alone: boolean, maxBytes: number): Promise<ArchiveFiles> => {
  const inMemory = dataDir === memory;
  let folder = inMemory ? undefined : join(dataDir, 'archives');
  if (folder !== undefined) await tidy(folder, alone);

  const made = async (): Promise<string> => {
    folder ??= await mkdtemp(join(tmpdir(), 'rollcall-archives-'));
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await chmod(folder, 0o700);
    return folder;
  };

  const create = async <T>(prefix: string, write: (file: FileHandle) => Promise<T>): Promise<readonly [string, T]> => {
    const path = join(await made(), `${prefix}-${randomUUID()}`);
    const file = await open(path, 'wx', 0o600);
    try {
      const written = await write(file);
      await file.close();
      return [path, written];
    } catch (error) {
      await file.close();
      await rm(path, { force: true });
      throw error;
    }
  };

  return {
    async newest() {
      if (folder === undefined) return null;
      const newestPath = join(folder, newestName);
      const file = await open(newestPath, 'r').catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error;
        return null;
      });
      if (file === null) return null;
      try {
        return { id: await archiveId(file), path: newestPath, file, bytes: (await file.stat()).size };
      } catch (error) {
        await file.close();
        throw error;
      }
    },
    async make(write) {
      const [path] = await create('backup', write);
      const own = await made();
      await rename(path, join(own, newestName));
      const entry = await open(own, 'r');
      try {
        await entry.sync();
      } finally {
        await entry.close();
      }
    },
    async receive(body) {
      const [path] = await create('upload', async (file) => {
        let bytes = 0;
        let first = Buffer.alloc(0);
        for await (const chunk of chunksOf(body)) {
          bytes += chunk.length;
          if (bytes > maxBytes) throw new RegistryError('too-large');
          if (first.length < magicBytes) {
            first = Buffer.concat([first, chunk.subarray(0, magicBytes)]);
            if (first.length >= magicBytes && !looksLikeArchive(first)) throw noArchive('This is no archive of a registry');
          }
          await file.writeFile(chunk);
        }
        if (bytes === 0) throw noArchive('There is no archive in this request');
        if (first.length < magicBytes) throw noArchive('This is no archive of a registry');
        await file.sync();
      });
      return path;
    },
    open: (path) => open(path, 'r'),
    remove: (path) => rm(path, { force: true }),
    async close() {
      if (inMemory && folder !== undefined) await rm(folder, { recursive: true, force: true });
    },
  };
};
