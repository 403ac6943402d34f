import type { ImportSlice, Range, Tombstone } from '../../lib/plugin.ts';
import type { Appender } from './appender.ts';
import type { Connection } from './connection.ts';
import { advance } from './log.ts';
import type { Packed } from './packing.ts';
import { BURY, recordRange } from './removals.ts';

/** Takes over a stretch of another log, within the caller's transaction. */
export function importSlice(connection: Connection, appender: Appender, slice: ImportSlice, packed: Packed): void {
  const bytes = appender.write(connection, slice.events, packed);
  for (const { position, id, revision, storedAt, hash, entity } of slice.tombstones)
    connection.run(BURY, [position, id, revision, storedAt, hash, entity ?? null]);
  for (const range of slice.removed) recordRange(connection, range);
  advance(connection, { position: slice.to, storedAt: slice.storedAt }, slice.events.length, bytes);
}

export function readTombstones(connection: Connection, { from, to }: Range, limit: number): Tombstone[] {
  const sql =
    'SELECT position, id, revision, stored_at, hash, entity FROM telltale_tombstones ' +
    'WHERE position >= ? AND position <= ? ORDER BY position LIMIT ?';
  return connection.all(sql, [from, Math.min(to, Number.MAX_SAFE_INTEGER), limit]).map((row) => {
    const { position, id, revision, hash } = row as unknown as Tombstone;
    const known = { id, position, revision, storedAt: row['stored_at'] as number, hash };
    return row['entity'] === null ? known : { ...known, entity: row['entity'] as string };
  });
}
