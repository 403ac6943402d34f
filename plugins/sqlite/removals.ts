import { Slice } from '../../lib/plugin.ts';
import type { Range, RemovedRange } from '../../lib/plugin.ts';
import type { Connection } from './connection.ts';

const CHUNK = 2_000;

const SQL =
  'SELECT from_position, to_position, reason, at FROM telltale_removals ' +
  'WHERE from_position > ? AND from_position <= ? ORDER BY from_position LIMIT ?';

/** The recorded removals that touch a range, in order. There may be many: the event loop turns in between. */
export async function readRemovals(connection: Connection, { from, to }: Range): Promise<RemovedRange[]> {
  const end = Math.min(to, Number.MAX_SAFE_INTEGER);
  const slice = new Slice();
  const found: RemovedRange[] = [];
  for (let after = firstOf(connection, from) - 1; ;) {
    const rows = connection.all(SQL, [after, end, CHUNK]);
    for (const row of rows) {
      const range = { from: row['from_position'] as number, to: row['to_position'] as number };
      after = range.from;
      if (range.to >= from) found.push({ ...range, reason: row['reason'] as string, at: row['at'] as number });
    }
    if (rows.length < CHUNK) return found;
    if (slice.isOver) await slice.rest();
  }
}

/** Where the range begins that `position` may lie in. */
function firstOf(connection: Connection, position: number): number {
  const sql = 'SELECT max(from_position) AS first FROM telltale_removals WHERE from_position <= ?';
  return (connection.get(sql, [position])!['first'] as number | null) ?? 0;
}
