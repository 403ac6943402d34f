import { rmSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { expected } from '../../lib/plugin.ts';
import type { Durability, Migrations } from '../../lib/plugin.ts';
import { Connection } from './connection.ts';
import type { SqliteDriver } from './driver.ts';
import { isBusy, toFailure } from './failure.ts';
import { asFile, checkPath, openDatabase, removeFolders, unlessFailing } from './file.ts';
import { HeldFile } from './held-file.ts';
import { addPaths } from './keys.ts';
import { readLog } from './log.ts';
import type { ParsedOptions } from './options.ts';
import { MIGRATIONS, bringUpToDate, identify } from './schema.ts';
import { createSearch } from './search.ts';
import { Writer } from './writer.ts';

/** Reads are hardly ever held up in WAL mode; this bounds how long one may hold the event loop. */
const READ_WAIT_MS = 50;
const OPEN_WAIT_MS = 5;
/** `PRAGMA synchronous`: 2 is FULL, 3 EXTRA. */
const FULL = 2;

/**
 * Both connections of a store. They are apart because a reader must never see a transaction that is open; a store that
 * only reads has no writer.
 */
export interface Connections {
  readonly file: HeldFile;
  readonly reader: Connection;
  readonly writer?: { readonly turns: Writer; readonly connection: Connection };
  /** What the file really does, asked after a write. */
  readonly durability: Durability;
}

/** A connection, and the file as it is then. */
type Connect = () => { readonly connection: Connection; readonly file: HeldFile };

/**
 * Throws `STORE_PATH`, `STORE_VERSION`, `STORE_CORRUPT`, `STORE_UNAVAILABLE`; then a file that is not ours is not changed,
 * and one that was not there is not there.
 */
export async function openConnections(
  driver: SqliteDriver,
  path: string,
  options: ParsedOptions,
  migrations = MIGRATIONS,
): Promise<Connections> {
  try {
    return await connecting(driver, path, options, (connect) =>
      options.readOnly ? openReading(connect, migrations) : openWriting(connect, options, migrations),
    );
  } catch (error) {
    throw toFailure(error, path);
  }
}

/**
 * Opens connections to a file that is made where it is not there. Where `work` fails, they are closed, what was made is
 * gone, and its error is thrown as it is.
 */
export async function connecting<T>(
  driver: SqliteDriver,
  path: string,
  wanted: { readonly create: boolean; readonly readOnly: boolean },
  work: (connect: Connect) => Promise<T>,
): Promise<T> {
  const made = checkPath(path, wanted);
  const opened: Connection[] = [];
  const connect: Connect = () => {
    const connection = new Connection(openDatabase(driver, made.file));
    opened.push(connection);
    return { connection, file: new HeldFile(path, made.file) };
  };
  try {
    return await work(connect);
  } catch (error) {
    if (made.isNew && opened[0] !== undefined) removeUnused(opened[0], made.file);
    for (const connection of opened) unlessFailing(() => connection.close());
    removeFolders(made.folders);
    throw error;
  }
}

/**
 * Takes away a file in which nothing is, while nobody else can write it. Who has it open already is refused by SQLite then,
 * which makes the first tables in no file that is not at its path. A file in WAL mode stays: its lock is another one.
 */
function removeUnused(connection: Connection, file: string): void {
  unlessFailing(() => {
    // The lock takes no room on a disk that is full then.
    connection.pragma('journal_mode = MEMORY');
    connection.exec('BEGIN EXCLUSIVE');
    const tables = connection.get('SELECT count(*) AS count FROM sqlite_master')?.['count'];
    if (tables === 0 && connection.pragma('journal_mode') === 'memory') rmSync(file);
  });
  unlessFailing(() => connection.exec('ROLLBACK'));
}

async function openReading(connect: Connect, migrations: Migrations<Connection>): Promise<Connections> {
  const { connection: reader, file } = await openReader(connect, migrations);
  reader.exec('PRAGMA query_only = ON');
  file.holdRest();
  return { file, reader, durability: 'disk' };
}

async function openReader(connect: Connect, migrations: Migrations<Connection>): Promise<ReturnType<Connect>> {
  const opened = connect();
  const { connection, file } = opened;
  connection.exec(`PRAGMA busy_timeout = ${READ_WAIT_MS}`);
  const look = (): unknown => identify(connection, file.path, { migrations, readOnly: true });
  const found = await unlessBusy(READ_WAIT_MS, () => asFile(file.path, look, true));
  if (found === 'empty') throw expected('STORE_PATH', file.path, "a log of Telltale's", 'an empty file');
  return opened;
}

async function openWriting(
  connect: Connect,
  { busyTimeout, durability, index, search }: ParsedOptions,
  migrations: Migrations<Connection>,
): Promise<Connections> {
  const { connection, file } = connect();
  const { path } = file;
  connection.exec('PRAGMA busy_timeout = 0');
  await unlessBusy(busyTimeout, () => asFile(path, () => identify(connection, path, { migrations })));
  connection.exec(`PRAGMA synchronous = ${durability === 'disk' ? 'FULL' : 'NORMAL'}`);
  // What was removed or anonymised must not stay legible in the file.
  connection.exec('PRAGMA secure_delete = ON');
  const turns = new Writer(connection, file, busyTimeout);
  // Before the mode is changed, so that a file in WAL mode has its tables: see `removeUnused`.
  await turns.transaction(async (open) => {
    await bringUpToDate(open, path, migrations);
    addPaths(open, index, readLog(open).position);
    if (search) createSearch(open);
    open.run('UPDATE telltale_log SET puts = puts');
  }, 'EXCLUSIVE');
  const mode = await unlessBusy(busyTimeout, () => asFile(path, () => connection.pragma('journal_mode = WAL')));
  if (mode !== 'wal') throw expected('STORE_PATH', path, 'on a file system that SQLite can share (WAL)', mode);
  const { connection: reader } = await openReader(connect, migrations);
  file.holdRest();
  file.mustBeThere();
  const writer = { turns, connection };
  return { file, reader, writer, durability: durability === 'os' ? 'os' : durabilityOf(connection) };
}

/** What the commits of a connection are, as it is set. */
export function durabilityOf(connection: Connection): 'disk' | 'os' {
  return (connection.pragma('synchronous') as number) >= FULL ? 'disk' : 'os';
}

/**
 * Closes both. What is in the write-ahead log is moved into the file first, so that the file can be copied by itself,
 * also where the driver keeps it open for a while (libsql does). Not without the -shm that is known: another process may
 * have begun a new one, and written where this one would.
 */
export function closeConnections({ file, reader, writer }: Connections): void {
  reader.close();
  if (writer === undefined) return;
  try {
    if (file.hasIndex) writer.connection.get('PRAGMA wal_checkpoint(TRUNCATE)');
  } catch {
    // Whoever opens the file next does it.
  }
  writer.connection.close();
}

/** Tries again, for a while, what another process holds up; the event loop goes on. */
export async function unlessBusy<T>(forMs: number, work: () => T): Promise<T> {
  const end = performance.now() + forMs;
  for (;;) {
    try {
      return work();
    } catch (error) {
      if (!isBusy(error) && !isBusy((error as Error).cause)) throw error;
      if (performance.now() >= end) throw error;
    }
    await wait(OPEN_WAIT_MS);
  }
}
