import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readlinkSync,
  realpathSync,
  rmdirSync,
  statSync,
} from 'node:fs';
import { stat, statfs } from 'node:fs/promises';
import { devNull } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { TelltaleError, expected, toError } from '../../lib/plugin.ts';
import type { DriverName, SqliteDatabase, SqliteDriver } from './driver.ts';
import { sqliteCode } from './driver.ts';
import { toFailure } from './failure.ts';

/** Where an opening leads, and what it has made: that goes again where the opening fails. */
export interface Made {
  /** Real path of the file: SQLite puts its -wal and -shm beside that one. */
  readonly file: string;
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
    return { file: realpathSync(path), isNew: false, folders: [] };
  }
  if (readOnly || !create) throw expected('STORE_PATH', path, 'a file that is there', 'nothing');
  const file = asReachable(path, () => realPathOf(path));
  const folders = missingFolders(file);
  try {
    asReachable(path, () => {
      for (const folder of folders.toReversed()) makeFolder(folder);
      accessSync(dirname(file), constants.W_OK | constants.X_OK);
    });
  } catch (error) {
    removeFolders(folders);
    throw error;
  }
  return { file, isNew: true, folders };
}

/** Where a path leads whose end need not be there, also through a link. */
function realPathOf(path: string): string {
  if (existsSync(path)) return realpathSync(path);
  if (path === dirname(path)) return path;
  const place = join(realPathOf(dirname(path)), basename(path));
  const target = unlessFailing(() => readlinkSync(place));
  return target === undefined ? place : realPathOf(resolve(dirname(place), target));
}

function missingFolders(path: string): readonly string[] {
  const missing: string[] = [];
  let folder = dirname(path);
  // A drive of Windows that is not there is its own folder.
  for (; !existsSync(folder) && folder !== dirname(folder); folder = dirname(folder)) missing.push(folder);
  return missing;
}

/** One by one: a recursive `mkdir` never ends where the system makes no folder in one that is there (in /proc). */
function makeFolder(folder: string): void {
  try {
    mkdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** A folder that somebody has put something into stays. */
export function removeFolders(folders: readonly string[]): void {
  for (const folder of folders) unlessFailing(() => rmdirSync(folder));
}

/** For what is done behind a failure: that is what the caller is told. */
export function unlessFailing<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}

/** Which library has a file open in this process, and how many connections it has. libsql has it open until it is collected. */
const inUse = new Map<string, { readonly driver: DriverName; connections: number }>();

/**
 * Opens a connection to the file of a real path. Throws `STORE_PATH` for a file that cannot be opened or is no database,
 * `INVALID_OPTION` where this process has the file open with another library: when one of two closes a file, the system
 * takes the locks of the other away, and both would write.
 */
export function openDatabase(driver: SqliteDriver, file: string): SqliteDatabase {
  const use = inUse.get(file) ?? { driver: driver.name, connections: 0 };
  if (use.driver !== driver.name)
    throw expected(
      'INVALID_OPTION',
      '`driver`',
      `${use.driver}, with which this process has ${file} open`,
      driver.name,
    );
  const database = asFile(file, () => driver.open(file));
  use.connections++;
  inUse.set(file, use);
  return closing(database, () => {
    if (--use.connections === 0 && driver.name !== 'libsql') inUse.delete(file);
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
    if (code === 'CANTOPEN') mustHaveDescriptors(path);
    if (code === 'CANTOPEN' || code === 'READONLY' || code === 'AUTH') throw unreachable(path, error, readOnly);
    throw toFailure(error, path);
  }
}

/** SQLite says the same of a file that it may not open and of a process that may open no more. */
function mustHaveDescriptors(path: string): void {
  const open: number[] = [];
  try {
    // As many as a connection takes. Never the file itself: closing it would take the locks of its connections away.
    while (open.length < 3) open.push(openSync(devNull, 'r'));
  } catch (error) {
    throw toFailure(error, path);
  } finally {
    for (const descriptor of open) closeSync(descriptor);
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
