import { LEASES, TelltaleError, mustHold, toDocuments } from '../../lib/plugin.ts';
import type { Fence, StoredDocument } from '../../lib/plugin.ts';
import type { Connection } from './connection.ts';
import type { SqlRow } from './driver.ts';
import { asBytes, legible, textIn } from './texts.ts';

const FIELDS = ['key', 'value', 'etag'].map(asBytes).join(', ');
const WHICH = 'WHERE collection = ? AND key = ?';

export interface Put {
  readonly collection: string;
  readonly key: string;
  /** As JSON. */
  readonly text: string;
  readonly etag: string | null | undefined;
  /** The position that the value names, 0 for none. */
  readonly named: number;
  readonly fence: Fence | undefined;
}

export function readDocument(connection: Connection, collection: string, key: string): StoredDocument | undefined {
  const row = connection.get(`SELECT ${FIELDS} FROM telltale_documents ${WHICH}`, [collection, key]);
  return row && toDocument(collection, row);
}

export function listDocuments(connection: Connection, collection: string): StoredDocument[] {
  const sql = `SELECT ${FIELDS} FROM telltale_documents WHERE collection = ? ORDER BY rowid`;
  const rows = connection.all(sql, [collection]);
  return toDocuments(
    rows,
    (row) => legible(row['key']),
    (row) => toDocument(collection, row),
  );
}

export function listCollections(connection: Connection): string[] {
  const named = 'SELECT DISTINCT collection FROM telltale_documents ORDER BY collection';
  const rows = connection.all(`SELECT ${asBytes('collection')} FROM (${named})`);
  const names = rows.map(({ collection }) => ({ text: textIn(collection), legible: legible(collection) }));
  const intact = names.flatMap(({ text }) => text ?? []);
  if (intact.length === names.length) return intact;
  const others = names.filter(({ text }) => text === undefined).map((name) => name.legible);
  throw new TelltaleError('STORE_CORRUPT', `sqlite: the name of collection ${others[0]!} is damaged`, {
    details: { intact, damaged: others },
  });
}

/** Throws `LEASE_LOST` where another process has the lease as of the caller's transaction. */
export function checkFence(connection: Connection, fence: Fence | undefined): void {
  if (fence !== undefined) mustHold(fence, readDocument(connection, LEASES, fence.lease));
}

/** Compares and sets within the caller's transaction; answers the new etag, `undefined` if the comparison failed. */
export function putDocument(connection: Connection, put: Put): string | undefined {
  const { collection, key, text, etag, named } = put;
  checkFence(connection, put.fence);
  const found = connection.get(`SELECT ${asBytes('etag')} FROM telltale_documents ${WHICH}`, [collection, key]);
  if (etag !== undefined && etag !== (found === undefined ? null : textIn(found['etag']))) return undefined;
  connection.run('UPDATE telltale_log SET puts = puts + 1');
  const next = String(connection.get('SELECT puts FROM telltale_log')!['puts']);
  connection.run(
    'INSERT INTO telltale_documents (collection, key, value, etag, named) VALUES (?, ?, ?, ?, ?) ' +
      'ON CONFLICT (collection, key) DO UPDATE SET value = excluded.value, etag = excluded.etag, named = excluded.named',
    [collection, key, text, next, named],
  );
  return next;
}

export function deleteDocument(connection: Connection, collection: string, key: string, etag?: string): boolean {
  const sql = `DELETE FROM telltale_documents ${WHICH}${etag === undefined ? '' : ' AND etag = ?'}`;
  return connection.run(sql, etag === undefined ? [collection, key] : [collection, key, etag]) > 0;
}

/** Throws `STORE_CORRUPT` for what is no document. */
export function toDocument(collection: string, row: SqlRow): StoredDocument {
  const [key, value, etag] = [textIn(row['key']), textIn(row['value']), textIn(row['etag'])];
  if (key === undefined || value === undefined || etag === undefined) throw damaged(collection, legible(row['key']));
  try {
    return { key, value: JSON.parse(value) as unknown, etag };
  } catch (error) {
    throw damaged(collection, key, error);
  }
}

function damaged(collection: string, key: string, cause?: unknown): TelltaleError {
  return new TelltaleError('STORE_CORRUPT', `sqlite: document ${collection}/${key} is damaged`, {
    details: { collection, key },
    ...(cause !== undefined && { cause }),
  });
}
