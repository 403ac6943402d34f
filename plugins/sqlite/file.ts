import { existsSync, mkdirSync, statSync } from 'node:fs';
import { stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { TelltaleError, expected } from '../../lib/plugin.ts';
import type { SqliteDatabase, SqliteDriver } from './driver.ts';
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

/** Opens a connection. Throws `STORE_PATH` for a file that cannot be opened or is no database. */
export function openDatabase(driver: SqliteDriver, path: string): SqliteDatabase {
  return asFile(path, () => driver.open(path));
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

function unreachable(path: string, cause: unknown): TelltaleError {
  const text = cause instanceof Error ? cause.message : String(cause);
  return new TelltaleError('STORE_PATH', `expected to read and write the file ${path}: ${text}`, {
    cause,
    details: { path },
  });
}
