import { closeSync, openSync, readSync } from 'node:fs';
import { resolve } from 'node:path';
import { TelltaleError, extentOf, isTelltaleError } from '../../lib/plugin.ts';
import type { Remains, StoredEvent } from '../../lib/plugin.ts';
import type { Connection } from './connection.ts';
import { openConnections } from './connections.ts';
import { listCollections, listDocuments, readDocument } from './documents.ts';
import type { SqliteDriver } from './driver.ts';
import { sqliteCode } from './driver.ts';
import { loadDriver } from './drivers.ts';
import { toFailure } from './failure.ts';
import { readLog } from './log.ts';
import { isSqlite, mendedCopy } from './mended-copy.ts';
import { parseOptions } from './options.ts';
import { LISTED, WHOLE, damaged, decode } from './records.ts';
import { readRemovals } from './removals.ts';
import { asBytes, textIn } from './texts.ts';
import { readTombstones } from './tombstones.ts';

const ROWS = 128;
const EVENTS = `SELECT ${LISTED} FROM telltale_events NOT INDEXED WHERE position > ? AND position <= ? ORDER BY position LIMIT ?`;
const EVENT = `SELECT ${WHOLE} FROM telltale_events WHERE position = ?`;
/** From the index, which may be intact where the documents are not. */
const KEYS = `SELECT ${asBytes('key')} FROM telltale_documents WHERE collection = ?`;
const LAST_EVENT = 'SELECT max(position) AS last FROM telltale_events WHERE position <= ?';
const LAST_TOMBSTONE = 'SELECT max(position) AS last FROM telltale_tombstones';
const LAST_REMOVAL = 'SELECT max(to_position) AS last FROM telltale_removals';
const LAST_NAMED = 'SELECT max(named) AS last FROM telltale_documents';

/**
 * What is left of the log in a damaged file, which stays as it is. One that SQLite does not open is copied into a new folder
 * within `folder` first, and the copy mended as far as it takes.
 *
 * @throws what opening throws, where nothing of a log can be read
 */
export async function openRemains(path: string, folder: string): Promise<Remains> {
  const parsed = parseOptions(path, { readOnly: true });
  const driver = loadDriver(parsed.driver);
  try {
    const { reader } = await openConnections(driver, resolve(path), parsed);
    return remainsOf(reader, path, () => reader.close());
  } catch (error) {
    if (!isDamage(error, path)) throw error;
    return openMended(driver, path, folder, error);
  }
}

/** What SQLite calls a file of another kind may have lost its first page. */
function isDamage(error: unknown, path: string): boolean {
  if (isTelltaleError(error, 'STORE_CORRUPT')) return true;
  return isTelltaleError(error, 'STORE_PATH') && isFileOfAnotherKind(path);
}

function isFileOfAnotherKind(path: string): boolean {
  try {
    const header = Buffer.alloc(24);
    const descriptor = openSync(path, 'r');
    readSync(descriptor, header);
    closeSync(descriptor);
    return !isSqlite(header);
  } catch {
    return false;
  }
}

async function openMended(driver: SqliteDriver, path: string, folder: string, cause: unknown): Promise<Remains> {
  const copy = await mendedCopy(driver, resolve(path), folder);
  const remains = remainsOf(copy.connection, path, () => copy.close());
  if ((await remains.extent()).end > 0) return remains;
  copy.close();
  throw cause;
}

function remainsOf(connection: Connection, path: string, close: () => void): Remains {
  const reading = <T>(read: () => T | Promise<T>): Promise<T> => around(path, read);
  const last = (sql: string, values: readonly number[] = []): Promise<number> =>
    reading(() => (connection.get(sql, values)?.['last'] ?? 0) as number);
  return {
    extent: () =>
      extentOf({
        head: () => reading(() => readLog(connection).position),
        lastEvent: (through) => last(LAST_EVENT, [through]),
        others: [() => last(LAST_TOMBSTONE), () => last(LAST_REMOVAL)],
        named: () => last(LAST_NAMED),
      }),
    page: ({ after, through, limit }) =>
      reading(async () => {
        const wanted = Math.min(limit, ROWS);
        const events = await eventsOf(connection, [after, through, wanted]);
        const done = events.length < wanted;
        return { events, done, looked: done ? through : events.at(-1)!.position };
      }),
    removed: (range) => reading(() => readRemovals(connection, range)),
    tombstones: (range, limit) => reading(() => readTombstones(connection, range, limit)),
    collections: () => reading(() => listCollections(connection)),
    document: (collection, key) => reading(() => readDocument(connection, collection, key)),
    listDocuments: (collection) =>
      reading(() => listDocuments(connection, collection)).catch((error: unknown) =>
        reading(() => withKeys(error, connection, collection)),
      ),
    close,
  };
}

async function eventsOf(connection: Connection, range: readonly number[]): Promise<StoredEvent[]> {
  const events: StoredEvent[] = [];
  let last = range[0]!;
  for (const row of connection.all(EVENTS, range)) {
    const whole = row['payload'] === null ? connection.get(EVENT, [row['position']!]) : row;
    // Damaged pages may lead back to what lies before.
    if (whole === undefined || (row['position'] as number) <= last) throw damaged(row);
    last = row['position'] as number;
    const { event, isIntact } = await decode(whole, true);
    if (!isIntact) throw damaged(whole);
    events.push(event);
  }
  return events;
}

/** Whoever reads them one by one has to know their keys. */
function withKeys(error: unknown, connection: Connection, collection: string): never {
  if (!isTelltaleError(error, 'STORE_CORRUPT') || error.details['keys'] !== undefined) throw error;
  const keys = connection.all(KEYS, [collection]).flatMap(({ key }) => textIn(key) ?? []);
  throw new TelltaleError('STORE_CORRUPT', error.message, { cause: error, details: { ...error.details, keys } });
}

/** What cannot be read from the disk is as good as damaged. */
async function around<T>(path: string, read: () => T | Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    const failure = toFailure(error, path);
    if (!(sqliteCode(error) ?? '').startsWith('IOERR')) throw failure;
    throw new TelltaleError('STORE_CORRUPT', failure.message, { cause: error as Error });
  }
}
