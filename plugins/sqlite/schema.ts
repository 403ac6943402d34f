import { TelltaleError, checkVersion, expected, migrate, newestVersion } from '../../lib/plugin.ts';
import type { Migrations } from '../../lib/plugin.ts';
import type { Connection } from './connection.ts';

/** "Tell" in the file's header: whose file it is, without a look into its tables. */
export const APPLICATION_ID = 0x54656c6c;
/** To the tables below. Every commit touches `telltale_log`. */
export const MIGRATIONS: Migrations<Connection> = [];

/**
 * `telltale_log` has one row: the counters of the log. `telltale_events` is the log; `bytes` is the size of an event's
 * JSON; a payload that is packed is empty in `payload`. What stays of a removed event is in `telltale_tombstones`.
 * `telltale_keys` is the index of paths. `telltale_changes` tells other processes of removals and rewrites.
 */
export const TABLES = `
CREATE TABLE telltale_meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE telltale_log (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  position INTEGER NOT NULL,
  stored_at REAL NOT NULL,
  events INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  paths INTEGER NOT NULL,
  puts INTEGER NOT NULL
);
CREATE TABLE telltale_events (
  position INTEGER PRIMARY KEY,
  id TEXT NOT NULL,
  type TEXT NOT NULL,
  source TEXT NOT NULL,
  time REAL NOT NULL,
  entity TEXT,
  revision INTEGER NOT NULL,
  correlation_id TEXT NOT NULL,
  causation_id TEXT,
  schema_version INTEGER NOT NULL,
  stored_at REAL NOT NULL,
  checksum INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  metadata TEXT,
  payload TEXT NOT NULL,
  packed BLOB
);
CREATE UNIQUE INDEX telltale_events_id ON telltale_events (id);
CREATE INDEX telltale_events_type ON telltale_events (type);
CREATE INDEX telltale_events_entity ON telltale_events (entity) WHERE entity IS NOT NULL;
CREATE INDEX telltale_events_correlation ON telltale_events (correlation_id);
CREATE INDEX telltale_events_causation ON telltale_events (causation_id) WHERE causation_id IS NOT NULL;
CREATE INDEX telltale_events_time ON telltale_events (time);
CREATE TABLE telltale_tombstones (
  position INTEGER PRIMARY KEY,
  id TEXT NOT NULL,
  revision INTEGER NOT NULL,
  stored_at REAL NOT NULL,
  hash TEXT NOT NULL,
  entity TEXT,
  checksum INTEGER NOT NULL
);
CREATE UNIQUE INDEX telltale_tombstones_id ON telltale_tombstones (id);
CREATE INDEX telltale_tombstones_entity ON telltale_tombstones (entity) WHERE entity IS NOT NULL;
CREATE TABLE telltale_removals (
  from_position INTEGER PRIMARY KEY,
  to_position INTEGER NOT NULL,
  reason TEXT NOT NULL,
  at REAL NOT NULL,
  tombstones INTEGER NOT NULL
);
CREATE TABLE telltale_changes (
  serial INTEGER PRIMARY KEY AUTOINCREMENT,
  from_position INTEGER NOT NULL,
  to_position INTEGER NOT NULL
);
CREATE TABLE telltale_paths (
  number INTEGER PRIMARY KEY,
  path TEXT NOT NULL UNIQUE,
  indexed_to INTEGER NOT NULL,
  indexed_from INTEGER NOT NULL
);
CREATE TABLE telltale_keys (
  path INTEGER NOT NULL,
  key TEXT NOT NULL,
  position INTEGER NOT NULL,
  PRIMARY KEY (path, key, position)
) WITHOUT ROWID;
CREATE TABLE telltale_documents (
  collection TEXT NOT NULL,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  etag TEXT NOT NULL,
  named INTEGER NOT NULL,
  UNIQUE (collection, key)
);
INSERT INTO telltale_log VALUES (1, 0, 0, 0, 0, 0, 0);
INSERT INTO telltale_meta VALUES ('version', '${newestVersion(MIGRATIONS)}');
PRAGMA application_id = ${APPLICATION_ID};
`;

/**
 * What kind of file it is: `'empty'`, or the version of its tables. Changes nothing. Throws `STORE_PATH` for another
 * program's database, `STORE_VERSION` for a newer one, and for an older one where it is only read.
 */
export function identify(
  connection: Connection,
  path: string,
  { migrations = MIGRATIONS, readOnly = false }: { migrations?: Migrations<Connection>; readOnly?: boolean } = {},
): 'empty' | number {
  const id = connection.pragma('application_id');
  const tables = connection.get('SELECT count(*) AS count FROM sqlite_master')?.['count'];
  if (id === 0 && tables === 0) return 'empty';
  if (id !== APPLICATION_ID)
    throw expected('STORE_PATH', path, "an empty file or a log of Telltale's", `another program's database`);
  const version = versionOf(connection, path);
  checkVersion(`sqlite ${path}`, version, newestVersion(migrations), readOnly);
  return version;
}

/** Creates or migrates the tables, within the caller's transaction. */
export async function bringUpToDate(
  connection: Connection,
  path: string,
  migrations: Migrations<Connection>,
): Promise<void> {
  const found = identify(connection, path, { migrations });
  if (found === 'empty') return connection.exec(TABLES);
  await migrate(connection, found, migrations);
  connection.run(`UPDATE telltale_meta SET value = ? WHERE name = 'version'`, [`${newestVersion(migrations)}`]);
}

function versionOf(connection: Connection, path: string): number {
  const isThere = connection.get(`SELECT 1 AS yes FROM sqlite_master WHERE type = 'table' AND name = 'telltale_meta'`);
  const value =
    isThere &&
    connection.get(`SELECT CAST(value AS INTEGER) AS value FROM telltale_meta WHERE name = 'version'`)?.['value'];
  const version = Number(value ?? NaN);
  if (Number.isSafeInteger(version) && version >= 1) return version;
  throw new TelltaleError('STORE_CORRUPT', `sqlite ${path}: the table that says its version is missing or damaged`);
}
