import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { TelltaleEvent } from '../../lib/index.ts';
import { loadDriver } from '../../plugins/sqlite/drivers.ts';
import type { SqliteDatabase, SqlValue } from '../../plugins/sqlite/driver.ts';
import { sqlite } from '../../plugins/sqlite/index.ts';
import type { LogRival } from './log-rival.ts';

const FILE = 'log.db';
const COLUMNS =
  'position, id, type, source, time, entity, revision, correlation_id, causation_id, schema_version, stored_at, checksum, bytes, metadata, payload, packed';
const INSERT = `INSERT INTO telltale_events (${COLUMNS}) VALUES (${COLUMNS.replaceAll(/\w+/g, '?')})`;

/** Prepared inserts into the same table, with the same indexes, in one transaction a batch. Nobody waits for anybody. */
export function rawSqlite(): LogRival {
  let database: SqliteDatabase;
  return {
    name: 'raw inserts',
    open: async (folder) => {
      await makeTables(folder);
      database = loadDriver().open(join(folder, FILE));
      database.exec('PRAGMA synchronous = FULL');
    },
    async appendAll(events, inFlight) {
      const insert = database.prepare(INSERT);
      for (let at = 0; at < events.length; at += inFlight) {
        database.exec('BEGIN IMMEDIATE');
        for (let i = at; i < Math.min(at + inFlight, events.length); i++) insert.run(rowOf(events[i]!, i + 1));
        database.exec('COMMIT');
        // As a program that does something else as well.
        await new Promise((resolve) => setImmediate(resolve));
      }
    },
    close: async () => database.close(),
    count: async (folder) => {
      const file = loadDriver().open(join(folder, FILE));
      const { count } = file.prepare('SELECT count(*) AS count FROM telltale_events').get([])!;
      file.close();
      return count as number;
    },
  };
}

async function makeTables(folder: string): Promise<void> {
  const store = sqlite(join(folder, FILE));
  await store.open();
  await store.close();
}

function rowOf(
  { id, type, source, time, correlationId, schemaVersion, payload }: TelltaleEvent,
  at: number,
): SqlValue[] {
  const text = JSON.stringify(payload);
  const envelope = [at, id, type, source, time, null, 0, correlationId, null, schemaVersion, time];
  return [...envelope, crc32(text), Buffer.byteLength(text), null, text, null];
}
