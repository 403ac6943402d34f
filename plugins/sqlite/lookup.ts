import { contentHash } from '../../lib/plugin.ts';
import type { KnownId } from '../../lib/plugin.ts';
import type { Connection } from './connection.ts';
import { WHOLE, salvage } from './records.ts';
import { asBytes, legible } from './texts.ts';

const CHUNK = 500;
const AMONG = '(SELECT value FROM json_each(?))';

/** The ids that were ever stored, those of removed events included. */
export async function findIds(connection: Connection, ids: readonly string[]): Promise<Map<string, KnownId>> {
  const found = new Map<string, KnownId>();
  for (let at = 0; at < ids.length; at += CHUNK) {
    const among = [JSON.stringify(ids.slice(at, at + CHUNK))];
    for (const row of connection.all(`SELECT ${WHOLE} FROM telltale_events WHERE id IN ${AMONG}`, among)) {
      const { event } = await salvage(row);
      const { id, position, revision, storedAt } = event;
      found.set(id, { id, position, revision, storedAt, hash: contentHash(event) });
    }
    const gone = `SELECT ${asBytes('id')}, position, revision, stored_at, ${asBytes('hash')} FROM telltale_tombstones WHERE id IN ${AMONG}`;
    for (const row of connection.all(gone, among)) {
      const { position, revision } = row as unknown as KnownId;
      const id = legible(row['id']);
      // A damaged hash is that of no event: the id is taken all the same.
      found.set(id, { id, position, revision, storedAt: row['stored_at'] as number, hash: legible(row['hash']) });
    }
  }
  return found;
}

/** Of entities that were ever written. */
export function findRevisions(connection: Connection, entities: readonly string[]): Map<string, number> {
  const found = new Map<string, number>();
  for (let at = 0; at < entities.length; at += CHUNK) {
    for (const row of connection.all(REVISIONS, [JSON.stringify(entities.slice(at, at + CHUNK))])) {
      const revision = Math.max((row['living'] as number | null) ?? 0, (row['removed'] as number | null) ?? 0);
      if (revision > 0) found.set(row['entity'] as string, revision);
    }
  }
  return found;
}

const REVISIONS = `SELECT value AS entity, ${newestIn('telltale_events')} AS living, ${newestIn('telltale_tombstones')} AS removed
  FROM json_each(?)`;

function newestIn(table: string): string {
  return `(SELECT revision FROM ${table} INDEXED BY ${table}_entity WHERE entity = value ORDER BY position DESC LIMIT 1)`;
}
