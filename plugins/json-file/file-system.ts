import { constants, watch } from 'node:fs';
import { link, mkdir, open, readdir, rename, stat, statfs, unlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';

/** `read`: an existing file. `update`: an existing file, reading and writing. `create`: must not exist (O_EXCL). */
export type OpenMode = 'read' | 'update' | 'create';

export interface OpenFile {
  /** Answers the bytes read; fewer than asked at the end of the file. */
  read(target: Buffer, position: number): Promise<number>;
  /** Answers the bytes written, which may be fewer than given: a full disk does that before it fails. */
  write(bytes: Buffer, position: number): Promise<number>;
  datasync(): Promise<void>;
  truncate(bytes: number): Promise<void>;
  size(): Promise<number>;
  close(): Promise<void>;
}

export interface FileFacts {
  readonly kind: 'file' | 'folder' | 'other';
  readonly bytes: number;
  /** Another one when the name stands for another file. */
  readonly stamp: string;
  /** Wall time of the last change of content, ms. */
  readonly changedAt: number;
}

/** Everything this store asks of a disk, so that a test can plant a fault in any of it. Errors carry Node's codes. */
export interface FileSystem {
  open(path: string, mode: OpenMode): Promise<OpenFile>;
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  /** Gives a file a second name; fails when the name is taken, or the platform has no such thing. */
  link(from: string, to: string): Promise<void>;
  /** Makes one folder in one that is there. */
  makeFolder(path: string): Promise<void>;
  list(folder: string): Promise<readonly string[]>;
  facts(path: string): Promise<FileFacts | undefined>;
  /** Makes created, renamed and deleted names durable. */
  syncFolder(path: string): Promise<void>;
  freeBytes(path: string): Promise<number | undefined>;
  /** Calls `wake` when something changed, as far as the platform says so; returns the undo. */
  watch(folder: string, wake: () => void): () => void;
}

const MODES: Readonly<Record<OpenMode, number>> = {
  read: constants.O_RDONLY,
  update: constants.O_RDWR,
  create: constants.O_RDWR | constants.O_CREAT | constants.O_EXCL,
};

export const nodeFileSystem: FileSystem = {
  open: async (path, mode) => new NodeFile(await open(path, MODES[mode], 0o644)),
  rename,
  unlink,
  link,
  // Not recursive: where a folder exists and takes no new ones, as /proc, Node would try for ever.
  makeFolder: (path) => mkdir(path),
  list: (folder) => readdir(folder),
  facts: factsOf,
  syncFolder,
  freeBytes,
  watch: watchFolder,
};

class NodeFile implements OpenFile {
  readonly #handle: FileHandle;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  async read(target: Buffer, position: number): Promise<number> {
    return (await this.#handle.read(target, 0, target.length, position)).bytesRead;
  }

  async write(bytes: Buffer, position: number): Promise<number> {
    return (await this.#handle.write(bytes, 0, bytes.length, position)).bytesWritten;
  }

  datasync(): Promise<void> {
    return this.#handle.datasync();
  }

  truncate(bytes: number): Promise<void> {
    return this.#handle.truncate(bytes);
  }

  async size(): Promise<number> {
    return (await this.#handle.stat()).size;
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

export function errorCode(error: unknown): string | undefined {
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}

async function factsOf(path: string): Promise<FileFacts | undefined> {
  try {
    const found = await stat(path);
    const kind = found.isFile() ? 'file' : found.isDirectory() ? 'folder' : 'other';
    return { kind, bytes: found.size, stamp: `${found.ino} ${found.mtimeMs}`, changedAt: found.mtimeMs };
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}

async function syncFolder(path: string): Promise<void> {
  // Windows cannot sync a folder and says EPERM; there, and only there, that is no failure.
  try {
    const handle = await open(path, constants.O_RDONLY);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (process.platform !== 'win32' || errorCode(error) !== 'EPERM') throw error;
  }
}

async function freeBytes(path: string): Promise<number | undefined> {
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize;
}

/** Without a watcher, or where it dies, the follower is left to its polling. */
function watchFolder(folder: string, wake: () => void): () => void {
  try {
    const watcher = watch(folder, { persistent: false }, wake);
    watcher.on('error', () => watcher.close());
    return () => watcher.close();
  } catch {
    return () => undefined;
  }
}
