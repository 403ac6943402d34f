import { setTimeout as wait } from 'node:timers/promises';
import { expected } from '../../lib/plugin.ts';
import type { Durability } from '../../lib/plugin.ts';
import { Connection } from './connection.ts';
import type { SqliteDriver } from './driver.ts';
import { isBusy, toFailure } from './failure.ts';
import { asFile, openDatabase } from './file.ts';
import { addPaths } from './keys.ts';
import { readLog } from './log.ts';
import type { ParsedOptions } from './options.ts';
import { bringUpToDate, identify } from './schema.ts';
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
  readonly reader: Connection;
  readonly writer?: { readonly turns: Writer; readonly connection: Connection };
  /** What the file really does, asked after a write. */
  readonly durability: Durability;
}

/** Throws `STORE_PATH`, `STORE_VERSION`, `STORE_CORRUPT`, `STORE_UNAVAILABLE`; a file that is not ours is not changed. */
export async function openConnections(
  driver: SqliteDriver,
  path: string,
  options: ParsedOptions,
): Promise<Connections> {
  const opened: Connection[] = [];
  const connect = (): Connection => {
    const connection = new Connection(openDatabase(driver, path));
    opened.push(connection);
    return connection;
  };
  try {
    return options.readOnly ? await openReading(connect, path) : await openWriting(connect, path, options);
  } catch (error) {
    for (const connection of opened) closeQuietly(connection);
    throw toFailure(error, path);
  }
}

async function openReading(connect: () => Connection, path: string): Promise<Connections> {
  const reader = await openReader(connect, path);
  reader.exec('PRAGMA query_only = ON');
  return { reader, durability: 'disk' };
}

async function openReader(connect: () => Connection, path: string): Promise<Connection> {
  const reader = connect();
  reader.exec(`PRAGMA busy_timeout = ${READ_WAIT_MS}`);
  const found = await unlessBusy(READ_WAIT_MS, () => asFile(path, () => identify(reader, path)));
  if (found === 'empty') throw expected('STORE_PATH', path, "a log of Telltale's", 'an empty file');
  return reader;
}

async function openWriting(connect: () => Connection, path: string, options: ParsedOptions): Promise<Connections> {
  const { busyTimeout, durability, index, search } = options;
  const connection = connect();
  connection.exec('PRAGMA busy_timeout = 0');
  await unlessBusy(busyTimeout, () => asFile(path, () => identify(connection, path)));
  const mode = await unlessBusy(busyTimeout, () => asFile(path, () => connection.pragma('journal_mode = WAL')));
  if (mode !== 'wal') throw expected('STORE_PATH', path, 'on a file system that SQLite can share (WAL)', mode);
  connection.exec(`PRAGMA synchronous = ${durability === 'disk' ? 'FULL' : 'NORMAL'}`);
  // What was removed or anonymised must not stay legible in the file.
  connection.exec('PRAGMA secure_delete = ON');
  const turns = new Writer(connection, path, busyTimeout);
  await turns.transaction((open) => {
    bringUpToDate(open, path);
    addPaths(open, index, readLog(open).position);
    if (search) createSearch(open);
    open.run('UPDATE telltale_log SET puts = puts');
  });
  const reader = await openReader(connect, path);
  return { reader, writer: { turns, connection }, durability: durability === 'os' ? 'os' : durabilityOf(connection) };
}

/** What the commits of a connection are, as it is set. */
export function durabilityOf(connection: Connection): 'disk' | 'os' {
  return (connection.pragma('synchronous') as number) >= FULL ? 'disk' : 'os';
}

/**
 * Closes both. What is in the write-ahead log is moved into the file first, so that the file can be copied by itself,
 * also where the driver keeps it open for a while (libsql does).
 */
export function closeConnections({ reader, writer }: Connections): void {
  reader.close();
  if (writer === undefined) return;
  try {
    writer.connection.get('PRAGMA wal_checkpoint(TRUNCATE)');
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

function closeQuietly(connection: Connection): void {
  try {
    connection.close();
  } catch {
    // What went wrong before is what the caller is told.
  }
}
