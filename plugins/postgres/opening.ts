import { TelltaleError, checkVersion, expected, migrate, newestVersion } from '../../lib/plugin.ts';
import type { Durability, Migrations } from '../../lib/plugin.ts';
import type { Connections, Session } from './connections.ts';
import { positionOf } from './counter.ts';
import { MIGRATIONS, createIndex, createTables, wantedIndexes } from './ddl.ts';
import type { Migrated } from './ddl.ts';
import type { PgClient } from './driver.ts';
import { inTurn } from './in-turn.ts';
import { APPEND, SEARCH_TABLES, TABLES } from './names.ts';
import type { Names } from './names.ts';
import { actAsOwner } from './owner.ts';
import type { Partitions } from './partitions.ts';
import { createSearch, hasSearch } from './search.ts';

export interface OpeningPort {
  readonly connections: Connections;
  readonly names: Names;
  readonly partitions: Partitions;
  /** What a new log has an index of from the beginning; for any other, see `IndexBuilder`. */
  readonly index: readonly string[];
  readonly indexPayload: boolean | undefined;
  /** Whether the log is to have tables of texts. */
  readonly search: boolean;
  readonly create: boolean;
  readonly readOnly: boolean;
  readonly migrations?: Migrations<Migrated>;
}

export interface Opened {
  /** How safe a commit is. */
  readonly durability: Durability;
  readonly hasSearch: boolean;
}

type Identified = Pick<OpeningPort, 'names' | 'readOnly' | 'migrations'>;

const OLDEST_SERVER = 130_000;
/** Migrating a large log takes as long as it takes. */
const MIGRATING_MS = 3_600_000;

/**
 * Finds the log's tables as they should be, or makes them: all of it or nothing, in one transaction under a lock, so
 * that several processes may start at once. Throws `STORE_PATH`, `STORE_VERSION`, `STORE_CORRUPT`, `STORE_ACCESS`,
 * `NOT_SUPPORTED`.
 */
export async function openTables(port: OpeningPort): Promise<Opened> {
  const { connections, names, partitions, search } = port;
  const durability = await checkServer(connections);
  if (port.readOnly) {
    if ((await identify(connections, port, await look(connections, names))) === undefined) throw missing(names);
    const isSearched = search && (await hasSearch(connections, names));
    await checkRights(connections, tablesOf(names, isSearched), ['SELECT']);
    return { durability, hasSearch: isSearched };
  }
  await checkWritable(connections);
  const version = await identify(connections, port, await look(connections, names));
  const isNewest = version === newestVersion(port.migrations ?? MIGRATIONS);
  if (!isNewest || (search && !(await hasSearch(connections, names))))
    await inTurn(connections, names, (session, client) => build(session, client, port));
  const isSearched = await hasSearch(connections, names);
  await checkRights(connections, tablesOf(names, isSearched), ['SELECT', 'INSERT', 'UPDATE', 'DELETE']);
  await checkUse(connections, names);
  await partitions.upTo((await positionOf(connections, names)) + 1);
  return { durability, hasSearch: isSearched };
}

/** Whether there is a log. Throws `STORE_PATH`, `STORE_VERSION`, `STORE_CORRUPT` where there is something else. */
export async function hasLog(session: Pick<Session, 'query'>, names: Names): Promise<boolean> {
  return (await identify(session, { names, readOnly: false }, await look(session, names))) !== undefined;
}

async function checkServer(session: Pick<Session, 'query'>): Promise<Durability> {
  const { rows } = await session.query(
    `SELECT current_setting('server_version_num'), current_setting('server_encoding'), current_setting('fsync')`,
  );
  const [version, encoding, fsync] = rows[0]!;
  if (Number(version) < OLDEST_SERVER) throw expected('NOT_SUPPORTED', 'the server', 'PostgreSQL 13 or newer', version);
  if (encoding !== 'UTF8') throw expected('NOT_SUPPORTED', 'the database', 'encoded in UTF8', encoding);
  return fsync === 'on' ? 'disk' : 'os';
}

async function build(session: Session, client: PgClient, port: OpeningPort): Promise<void> {
  const { names, partitions, connections } = port;
  const version = await identify(session, port, await look(session, names));
  if (version !== undefined) await actAsOwner(session, names);
  if (version === undefined) {
    if (!port.create) throw missing(names);
    // Asking first: who may not make schemas may still use one that is there.
    const { rows } = await session.query('SELECT 1 FROM pg_namespace WHERE nspname = $1', [names.schema]);
    if (rows.length === 0) await session.query(`CREATE SCHEMA "${names.schema}"`);
    await session.query(createTables(names));
    for (const index of wantedIndexes(names, port.index, port.indexPayload === true))
      await session.query(createIndex(names, index, true));
  } else await migrateTables(connections.sessionOn(client, MIGRATING_MS), port, version);
  if (port.search && !(await hasSearch(session, names))) await session.query(createSearch(names));
  await partitions.make(session, [{ from: 1, to: (await positionOf(session, names)) + 1 }]);
}

/** What there is in the schema under the names of our tables, with its kind. */
async function look(session: Pick<Session, 'query'>, names: Names): Promise<Map<string, string>> {
  const { rows } = await session.query(
    `SELECT c.relname, c.relkind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = $1 AND c.relname = ANY ($2)`,
    [names.schema, TABLES.map((table) => names.plain(table))],
  );
  return new Map(rows.map(([name, kind]) => [name!, kind!]));
}

async function migrateTables(session: Session, port: OpeningPort, version: number): Promise<void> {
  const { names, migrations = MIGRATIONS } = port;
  const newest = newestVersion(migrations);
  if (version === newest) return;
  await session.query(`SET LOCAL statement_timeout = ${MIGRATING_MS}`);
  await migrate({ session, names }, version, migrations);
  await session.query(`UPDATE ${names.of('meta')} SET version = $1`, [newest]);
  await identify(session, port, await look(session, names));
}

/** The version of the tables; `undefined` where there are none. Throws where some are missing, or are not ours. */
async function identify(
  session: Pick<Session, 'query'>,
  { names, readOnly, migrations = MIGRATIONS }: Identified,
  found: ReadonlyMap<string, string>,
): Promise<number | undefined> {
  const present = TABLES.filter((table) => found.has(names.plain(table)));
  if (present.length === 0) return undefined;
  const version = found.get(names.plain('meta')) === 'r' ? await versionOf(session, names) : undefined;
  if (version === undefined)
    throw expected(
      'STORE_PATH',
      names.of(present[0]!),
      "a table of Telltale's; choose another schema or tablePrefix",
      "another program's",
    );
  if (!Number.isSafeInteger(version) || version < 1)
    throw expected('STORE_CORRUPT', names.of('meta'), 'a row with the version of the log', version);
  const newest = newestVersion(migrations);
  checkVersion(`the log in schema ${names.schema}`, version, newest, readOnly);
  const lost = TABLES.find((table) => !found.has(names.plain(table)));
  if (lost !== undefined && version === newest)
    throw new TelltaleError('STORE_CORRUPT', `the log in schema ${names.schema} has lost its table ${names.of(lost)}`);
  return version;
}

function missing(names: Names): TelltaleError {
  const text = `expected a log in schema ${names.schema}, found no table ${names.of('meta')}; nothing was made`;
  return new TelltaleError('STORE_PATH', text);
}

async function versionOf(session: Pick<Session, 'query'>, names: Names): Promise<number | undefined> {
  const { rows: columns } = await session.query(
    `SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attname IN ('application', 'version')`,
    [names.of('meta')],
  );
  if (columns.length < 2) return undefined;
  const { rows } = await session.query(`SELECT version FROM ${names.of('meta')} WHERE application::text = 'telltale'`);
  return rows[0] === undefined ? undefined : Number(rows[0][0]);
}

async function checkWritable(session: Pick<Session, 'query'>): Promise<void> {
  const { rows } = await session.query(`SELECT current_setting('transaction_read_only'), pg_is_in_recovery()`);
  const [readOnly, isStandby] = rows[0]!;
  if (readOnly === 'off') return;
  const why = isStandby === 't' ? 'the server is a standby' : '`default_transaction_read_only` is on';
  throw new TelltaleError('STORE_ACCESS', `the log cannot be written: ${why}; use readOnly: true to read only`);
}

/** What an append calls, and what the next partition takes: that comes long after everything has gone well. */
async function checkUse(session: Pick<Session, 'query'>, names: Names): Promise<void> {
  const { rows: made } = await session.query(
    `SELECT p.oid, has_function_privilege(p.oid, 'EXECUTE') FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
     WHERE n.nspname = $1 AND p.proname = $2`,
    [names.schema, names.plain(APPEND)],
  );
  if (made.length === 0)
    throw new TelltaleError('STORE_CORRUPT', `the log in schema ${names.schema} has lost its function ${names.append}`);
  const { rows } = await session.query(
    `SELECT r.rolname, has_schema_privilege(r.oid, $1, 'CREATE'), pg_has_role(r.oid, 'USAGE') AND pg_has_role(r.oid,
       CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END)
     FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner WHERE c.oid = $2::regclass`,
    [names.schema, names.of('events')],
  );
  const [owner, mayCreate, isOwner] = rows[0]!;
  const lacking = [
    ...(made.some(([, may]) => may === 't') ? [] : [`EXECUTE on function ${names.append}`]),
    ...(isOwner === 't' ? [] : [`the role ${owner}, which owns ${names.of('events')}, for new partitions`]),
    ...(mayCreate === 't' ? [] : [`CREATE on schema ${names.schema} for the role ${owner}, for new partitions`]),
  ];
  if (lacking.length === 0) return;
  throw new TelltaleError('STORE_ACCESS', `the user of the connection lacks ${lacking.join(', and ')}`);
}

/** Better now than with the first event. */
async function checkRights(
  session: Pick<Session, 'query'>,
  tables: readonly string[],
  rights: readonly string[],
): Promise<void> {
  const { rows } = await session.query(
    `SELECT t.name FROM unnest($1::text[]) t (name)
     WHERE NOT (SELECT bool_and(has_table_privilege(t.name, r.wanted)) FROM unnest($2::text[]) r (wanted))`,
    [tables, rights],
  );
  if (rows.length === 0) return;
  const what = rights.length === 1 ? 'read' : 'read and write';
  const text = `the user of the connection may not ${what} ${rows.map(([name]) => name).join(', ')}`;
  throw new TelltaleError('STORE_ACCESS', text);
}

function tablesOf(names: Names, isSearched: boolean): string[] {
  return [...TABLES, ...(isSearched ? SEARCH_TABLES : [])].map((table) => names.of(table));
}
