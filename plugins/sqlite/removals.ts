import { Slice } from '../../lib/plugin.ts';
import type { Range, RemovedRange } from '../../lib/plugin.ts';
import type { Connection } from './connection.ts';
import { asBytes, legible } from './texts.ts';

const CHUNK = 2_000;

const SQL =
  `SELECT from_position, to_position, ${asBytes('reason')}, at FROM telltale_removals ` +
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
      if (range.to >= from) found.push({ ...range, reason: legible(row['reason']), at: row['at'] as number });
    }
    if (rows.length < CHUNK) return found;
    if (slice.isOver) await slice.rest();
  }
}

/** The removal that has a position, or else the next one behind it. */
export function removalFrom(connection: Connection, position: number): Range | undefined {
  const sql =
    'SELECT from_position AS "from", to_position AS "to" FROM telltale_removals ' +
    'WHERE from_position >= ? AND to_position >= ? ORDER BY from_position LIMIT 1';
  return connection.get(sql, [firstOf(connection, position), position]) as unknown as Range | undefined;
}

/**
 * Records a removed range, of which so many ids are still known; joined to the one before it where reason and time are
 * the same.
 */
export function recordRange(connection: Connection, { from, to, reason, at }: RemovedRange, tombstones: number): void {
  const joined = connection.run(
    `UPDATE telltale_removals SET to_position = ?, tombstones = tombstones + ?
     WHERE to_position = ? AND reason = ? AND at = ?
       AND from_position = (SELECT max(from_position) FROM telltale_removals WHERE from_position < ?)`,
    [to, tombstones, from - 1, reason, at, from],
  );
  if (joined > 0) return;
  connection.run(
    'INSERT INTO telltale_removals (from_position, to_position, reason, at, tombstones) VALUES (?, ?, ?, ?, ?)',
    [from, to, reason, at, tombstones],
  );
}

/** Where the range begins that `position` may lie in. */
function firstOf(connection: Connection, position: number): number {
  const sql = 'SELECT max(from_position) AS first FROM telltale_removals WHERE from_position <= ?';
  return (connection.get(sql, [position])!['first'] as number | null) ?? 0;
}
