import { existsSync, mkdirSync, realpathSync, rmSync, statSync } from 'node:fs';
import { stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { TelltaleError, expected } from '../../lib/plugin.ts';
import type { DriverName, SqliteDatabase, SqliteDriver } from './driver.ts';
import { sqliteCode } from './driver.ts';
import { toFailure } from './failure.ts';

/** Looks at what lies at the path before any library does. Throws `STORE_PATH`. */
export function checkPath(path: string, create: boolean): void {
  const found = asReachable(path, () => statSync(path, { throwIfNoEntry: false }));
  if (found?.isDirectory() === true) throw expected('STORE_PATH', path, 'a file', 'a folder');
  if (found !== undefined && !found.isFile()) throw expected('STORE_PATH', path, 'a file', 'something else');
  if (found !== undefined) return;
  if (!create) throw expected('STORE_PATH', path, 'a file that is there', 'nothing');
  asReachable(path, () => mkdirSync(dirname(path), { recursive: true }));
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
export function asFile<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const code = sqliteCode(error);
    if (code === 'NOTADB') throw expected('STORE_PATH', path, 'a SQLite database', 'a file of another kind');
    if (code === 'CANTOPEN' || code === 'READONLY' || code === 'AUTH') throw unreachable(path, error);
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

function asReachable<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    throw unreachable(path, cause);
  }
}

/** Takes away what was made for a log that there is none of. */
export function removeEmpty(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.size !== 0) return;
  for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true });
}

function unreachable(path: string, cause: unknown): TelltaleError {
  const text = cause instanceof Error ? cause.message : String(cause);
  return new TelltaleError('STORE_PATH', `expected to read and write the file ${path}: ${text}`, {
    cause,
    details: { path },
  });
}
