import { accessSync, constants, existsSync, mkdirSync, realpathSync, rmSync, rmdirSync, statSync } from 'node:fs';
import { stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { TelltaleError, expected, toError } from '../../lib/plugin.ts';
import type { DriverName, SqliteDatabase, SqliteDriver } from './driver.ts';
import { sqliteCode } from './driver.ts';
import { toFailure } from './failure.ts';

/** What an opening has made: it goes again where the opening fails. */
export interface Made {
  readonly isNew: boolean;
  /** Folders that were not there, the deepest first. */
  readonly folders: readonly string[];
}

/** Looks at what lies at the path before any library does, and makes the folders above it. Throws `STORE_PATH`. */
export function checkPath(path: string, { create, readOnly }: { create: boolean; readOnly: boolean }): Made {
  const found = asReachable(path, () => statSync(path, { throwIfNoEntry: false }), readOnly);
  if (found?.isDirectory() === true) throw expected('STORE_PATH', path, 'a file', 'a folder');
  if (found !== undefined && !found.isFile()) throw expected('STORE_PATH', path, 'a file', 'something else');
  if (found !== undefined) {
    asReachable(path, () => accessSync(path, readOnly ? constants.R_OK : constants.R_OK | constants.W_OK), readOnly);
    return { isNew: false, folders: [] };
  }
  if (readOnly || !create) throw expected('STORE_PATH', path, 'a file that is there', 'nothing');
  const made = { isNew: true, folders: missingFolders(path) };
  try {
    asReachable(path, () => {
      mkdirSync(dirname(path), { recursive: true });
      accessSync(dirname(path), constants.W_OK | constants.X_OK);
    });
  } catch (error) {
    takeAway(path, { ...made, isNew: false });
    throw error;
  }
  return made;
}

function missingFolders(path: string): readonly string[] {
  const missing: string[] = [];
  for (let folder = dirname(path); !existsSync(folder); folder = dirname(folder)) missing.push(folder);
  return missing;
}

/** Takes away what was made; a folder that somebody has put something into stays. */
export function takeAway(path: string, { isNew, folders }: Made): void {
  if (isNew) for (const suffix of ['-wal', '-shm', '-journal', '']) unlessFailing(() => rmSync(path + suffix));
  for (const folder of folders) unlessFailing(() => rmdirSync(folder));
}

// What went wrong before is what the caller is told.
function unlessFailing(work: () => void): void {
  try {
    work();
  } catch {
    // It was not there, or is not ours alone.
  }
}

/** Which library has a file open in this process, and how many connections it has. */
const inUse = new Map<string, { readonly driver: DriverName; connections: number }>();

/**
 * Opens a connection. Throws `STORE_PATH` for a file that cannot be opened or is no database, `INVALID_OPTION` where
 * this process has the file open with another library: when one of two closes a file, the system takes the locks of the
 * other away, and both would write.
 */
export function openDatabase(driver: SqliteDriver, path: string): SqliteDatabase {
  const used = existsSync(path) ? inUse.get(realpathSync(path)) : undefined;
  if (used !== undefined && used.driver !== driver.name)
    throw expected(
      'INVALID_OPTION',
      '`driver`',
      `${used.driver}, with which this process has ${path} open`,
      driver.name,
    );
  const database = asFile(path, () => driver.open(path));
  const file = realpathSync(path);
  const use = inUse.get(file) ?? { driver: driver.name, connections: 0 };
  use.connections++;
  inUse.set(file, use);
  return closing(database, () => {
    if (--use.connections === 0) inUse.delete(file);
  });
}

function closing(database: SqliteDatabase, closed: () => void): SqliteDatabase {
  return {
    get inTransaction() {
      return database.inTransaction;
    },
    exec: (sql) => database.exec(sql),
    prepare: (sql, integers) => database.prepare(sql, integers),
    close: () => {
      database.close();
      closed();
    },
  };
}

/** The first things said to a file that may be anything: what is wrong with it is `STORE_PATH`. */
export function asFile<T>(path: string, work: () => T, readOnly = false): T {
  try {
    return work();
  } catch (error) {
    const code = sqliteCode(error);
    if (code === 'NOTADB') throw expected('STORE_PATH', path, 'a SQLite database', 'a file of another kind');
    if (code === 'CANTOPEN' || code === 'READONLY' || code === 'AUTH') throw unreachable(path, error, readOnly);
    throw toFailure(error, path);
  }
}

/** Bytes of the file and of what has not been moved into it yet. */
export async function bytesOf(path: string): Promise<number> {
  const sizes = await Promise.all([path, `${path}-wal`].map((file) => stat(file).catch(() => undefined)));
  return sizes.reduce((sum, found) => sum + (found?.size ?? 0), 0);
}

export async function freeBytes(path: string): Promise<number | undefined> {
  const found = await statfs(existsSync(path) ? path : dirname(path)).catch(() => undefined);
  return found && found.bavail * found.bsize;
}

function asReachable<T>(path: string, work: () => T, readOnly = false): T {
  try {
    return work();
  } catch (cause) {
    throw unreachable(path, cause, readOnly);
  }
}

function unreachable(path: string, cause: unknown, readOnly = false): TelltaleError {
  // SQLite takes its part in the log's locks there also where it only reads.
  const what = readOnly ? `read the file ${path}, and to write` : `read and write the file ${path}, and`;
  const text = `expected to ${what} -wal and -shm beside it: ${toError(cause).message}`;
  return new TelltaleError('STORE_PATH', text, { cause, details: { path } });
}
