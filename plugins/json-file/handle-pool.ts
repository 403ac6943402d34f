import { TelltaleError } from '../../lib/plugin.ts';
import { errorCode } from './file-system.ts';
import type { FileSystem, OpenFile } from './file-system.ts';
import { readHeader } from './header.ts';

/** The file at this path is not any more the one that was asked for: it was rewritten or compressed. Look it up again. */
export class Replaced extends Error {
  readonly path: string;

  constructor(path: string) {
    super(`${path} was rewritten`);
    this.path = path;
  }
}

/** Asking again may go well. */
export function changesTooFast(path: string): TelltaleError {
  return new TelltaleError(
    'STORE_UNAVAILABLE',
    `${path} and others were replaced more quickly than they could be read`,
    {
      details: { path },
    },
  );
}

/** Opens a segment's file; one that was compressed has another name. Throws `Replaced`. */
export async function openSegment(fs: FileSystem, path: string): Promise<OpenFile> {
  try {
    return await fs.open(path, 'read');
  } catch (error) {
    throw errorCode(error) === 'ENOENT' ? new Replaced(path) : error;
  }
}

interface Entry {
  readonly file: Promise<OpenFile>;
  users: number;
  stale: boolean;
}

/** Keeps the files being read open, a bounded number of them. */
export class HandlePool {
  readonly #fs: FileSystem;
  readonly #limit: number;
  readonly #entries = new Map<string, Entry>();

  constructor(fs: FileSystem, limit: number) {
    this.#fs = fs;
    this.#limit = limit;
  }

  /** Calls `work` with the file at `path` whose header has `uid`. Throws `Replaced`. */
  async use<T>(path: string, uid: string, work: (file: OpenFile) => Promise<T>): Promise<T> {
    const entry = this.#take(path, uid);
    entry.users++;
    try {
      return await work(await entry.file);
    } finally {
      entry.users--;
      if (entry.stale) await this.#close(entry);
    }
  }

  async close(): Promise<void> {
    const entries = [...this.#entries.values()];
    this.#entries.clear();
    for (const entry of entries) await this.#drop(entry);
  }

  #take(path: string, uid: string): Entry {
    const key = `${uid} ${path}`;
    const found = this.#entries.get(key);
    this.#entries.delete(key);
    const entry = found ?? { file: this.#open(path, uid), users: 0, stale: false };
    this.#entries.set(key, entry);
    if (found === undefined) entry.file.catch(() => this.#forget(key, entry));
    this.#shrink();
    return entry;
  }

  /** Another one may be open under its key by now. */
  #forget(key: string, entry: Entry): void {
    if (this.#entries.get(key) === entry) this.#entries.delete(key);
  }

  async #open(path: string, uid: string): Promise<OpenFile> {
    const file = await openSegment(this.#fs, path);
    // Whoever asks looks it up again, and is told that it is damaged where it is there all the same.
    const found = await readHeader(file, path).catch(() => undefined);
    if (found?.header.uid === uid) return file;
    await file.close();
    throw new Replaced(path);
  }

  #shrink(): void {
    for (const [key, entry] of this.#entries) {
      if (this.#entries.size <= this.#limit) return;
      this.#entries.delete(key);
      void this.#drop(entry);
    }
  }

  async #drop(entry: Entry): Promise<void> {
    entry.stale = true;
    await this.#close(entry);
  }

  async #close(entry: Entry): Promise<void> {
    if (entry.users > 0) return;
    // Reading is over: a failing close loses nothing.
    await entry.file.then((file) => file.close()).catch(() => undefined);
  }
}
