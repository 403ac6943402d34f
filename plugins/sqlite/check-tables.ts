import { Connection } from './connection.ts';
import { toDocument } from './documents.ts';
import type { SqliteDriver, SqlRow } from './driver.ts';
import { rowsOf } from './findings.ts';
import type { Findings } from './findings.ts';
import { TABLES } from './schema.ts';
import { createSearch } from './search.ts';
import { asBytes, legible, textIn } from './texts.ts';

const OBJECTS = `SELECT ${['type', 'name', 'sql'].map(asBytes).join(', ')} FROM sqlite_master
  WHERE sql IS NOT NULL AND type <> 'table'`;
const COLUMNS = `SELECT CAST(tables.name AS BLOB) AS "table", CAST(columns.name AS BLOB) AS name
  FROM sqlite_master AS tables, pragma_table_info(tables.name) AS columns WHERE tables.type = 'table'`;

/** Compares tables, indexes and triggers with those of a new file. */
export function checkSchema(reader: Connection, driver: SqliteDriver, findings: Findings): void {
  const fresh = new Connection(driver.open(':memory:'));
  try {
    fresh.exec(TABLES);
    if (hasPartOfSearch(reader)) createSearch(fresh);
    const columns = columnsOf(reader);
    for (const [table, wanted] of columnsOf(fresh)) {
      const missing = wanted.filter((name) => columns.get(table)?.includes(name) !== true);
      if (!columns.has(table)) findings.add(`table ${table} is missing`);
      else if (missing.length > 0) findings.add(`table ${table} misses the column ${missing.join(', ')}`);
    }
    const found = objectsOf(reader);
    for (const [name, sql] of objectsOf(fresh))
      if (found.get(name) !== sql) findings.add(`${name} is ${found.has(name) ? 'another one' : 'missing'}`);
  } finally {
    fresh.close();
  }
}

function hasPartOfSearch(reader: Connection): boolean {
  return reader.get(`SELECT 1 AS yes FROM sqlite_master WHERE name LIKE 'telltale_search%'`) !== undefined;
}

/** What the indexes and triggers are made by. */
function objectsOf(connection: Connection): ReadonlyMap<string, string> {
  return new Map(
    connection.all(OBJECTS).map((row) => [`${legible(row['type'])} ${legible(row['name'])}`, legible(row['sql'])]),
  );
}

function columnsOf(connection: Connection): ReadonlyMap<string, readonly string[]> {
  const columns = new Map<string, string[]>();
  for (const row of connection.all(COLUMNS)) {
    const table = legible(row['table']);
    columns.set(table, [...(columns.get(table) ?? []), legible(row['name'])]);
  }
  return columns;
}

/** Revisions of an entity rise, and no event is there that was removed. */
export async function checkRelations(reader: Connection, findings: Findings): Promise<void> {
  for (const table of ['telltale_events', 'telltale_tombstones']) {
    const rows = rowsOf(reader, relationsOf(table), { keys: ['position'], first: [0], limit: 512 });
    for await (const { position, revision, living, removed, isBuried } of rows) {
      const highest = Math.max((living as number | null) ?? 0, (removed as number | null) ?? 0);
      if (highest > 0 && highest >= (revision as number))
        findings.add(
          `revision ${revision as number} of its entity is there twice, or does not rise`,
          position as number,
        );
      if (table === 'telltale_events' && isBuried === 1)
        findings.add('the event is there and removed (telltale_tombstones)', position as number);
    }
  }
}

function relationsOf(table: string): string {
  return (
    `SELECT position, revision, ${before('telltale_events')} AS living, ${before('telltale_tombstones')} AS removed, ` +
    'EXISTS (SELECT 1 FROM telltale_tombstones INDEXED BY telltale_tombstones_id WHERE id = r.id) AS isBuried ' +
    `FROM (SELECT position, revision, entity, id FROM ${table} WHERE position > ? ORDER BY position LIMIT ?) AS r ORDER BY position`
  );
}

function before(table: string): string {
  return `(
    SELECT revision FROM ${table} INDEXED BY ${table}_entity
    WHERE entity = r.entity AND position < r.position ORDER BY position DESC LIMIT 1)`;
}

const DOCUMENTS = `SELECT rowid AS at, ${['collection', 'key', 'value', 'etag'].map(asBytes).join(', ')}, named
  FROM telltale_documents WHERE rowid > ? ORDER BY rowid LIMIT ?`;

/** Documents are JSON, not ahead of the log, and have an etag that was given. */
export async function checkDocuments(reader: Connection, head: number, findings: Findings): Promise<void> {
  const { puts } = reader.get('SELECT puts FROM telltale_log')!;
  for await (const row of rowsOf(reader, DOCUMENTS, { keys: ['at'], first: [0], limit: 16 })) {
    const name = `document ${legible(row['collection'])}/${legible(row['key'])} (telltale_documents)`;
    if (!isDocument(row)) findings.add(`${name} is damaged`);
    if ((row['named'] as number) > head)
      findings.add(`${name} names position ${row['named'] as number}, ahead of the log`, row['named'] as number);
    if (!(Number(textIn(row['etag'])) <= (puts as number)))
      findings.add(`${name} has etag ${legible(row['etag'])}, and only ${puts as number} are counted (telltale_log)`);
  }
}

function isDocument(row: SqlRow): boolean {
  try {
    toDocument('', row);
    return textIn(row['collection']) !== undefined;
  } catch {
    return false;
  }
}
