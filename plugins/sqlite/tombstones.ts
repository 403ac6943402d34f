import { crc32 } from 'node:zlib';
import type { Range, Tombstone } from '../../lib/plugin.ts';
import type { Connection } from './connection.ts';
import type { SqlRow } from './driver.ts';
import { damaged } from './records.ts';
import { asBytes, textIn } from './texts.ts';

const BURY =
  'INSERT INTO telltale_tombstones (position, id, revision, stored_at, hash, entity, checksum) VALUES (?, ?, ?, ?, ?, ?, ?)';
export const TOMBSTONE = `position, ${asBytes('id')}, revision, stored_at, ${asBytes('hash')}, ${asBytes('entity')}, checksum`;

/** Leaves of an event its id for ever, and its entity's revision. */
export function bury(connection: Connection, tombstone: Tombstone): void {
  const { position, id, revision, storedAt, hash, entity } = tombstone;
  connection.run(BURY, [position, id, revision, storedAt, hash, entity ?? null, checksumOf(tombstone)]);
}

export function readTombstones(connection: Connection, { from, to }: Range, limit: number): Tombstone[] {
  const sql = `SELECT ${TOMBSTONE} FROM telltale_tombstones WHERE position >= ? AND position <= ? ORDER BY position LIMIT ?`;
  return connection.all(sql, [from, Math.min(to, Number.MAX_SAFE_INTEGER), limit]).map((row) => toTombstone(row));
}

/** Throws `STORE_CORRUPT` with the position where a text is none, or the checksum is wrong. */
export function toTombstone(row: SqlRow): Tombstone {
  const [id, hash, entity] = [textIn(row['id']), textIn(row['hash']), textIn(row['entity'])];
  if (id === undefined || hash === undefined || (entity === undefined && row['entity'] !== null)) throw damaged(row);
  const { position, revision } = row as unknown as Tombstone;
  const known = { id, position, revision, storedAt: row['stored_at'] as number, hash };
  const tombstone = entity === undefined ? known : { ...known, entity };
  // One with a wrong id would let the right one be stored again, with a fresh checksum in every copy.
  if (checksumOf(tombstone) !== row['checksum']) throw damaged(row);
  return tombstone;
}

function checksumOf({ position, id, revision, storedAt, hash, entity }: Tombstone): number {
  return crc32(`${position}\n${id}\n${revision}\n${storedAt}\n${hash}\n${entity ?? null}`);
}
