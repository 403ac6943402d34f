import { TelltaleError } from '../../lib/plugin.ts';
import type { Head, Range } from '../../lib/plugin.ts';
import type { Connection } from './connection.ts';

/** The counters of the log: one row. */
export interface LogRow extends Head {
  readonly events: number;
  readonly bytes: number;
  /** Changes when a path gets an index. */
  readonly paths: number;
}

export function readLog(connection: Connection): LogRow {
  const row = connection.get('SELECT position, stored_at, events, bytes, paths FROM telltale_log');
  if (row === undefined) throw new TelltaleError('STORE_CORRUPT', 'sqlite: the counters of the log are missing');
  return {
    position: row['position'] as number,
    storedAt: row['stored_at'] as number,
    events: row['events'] as number,
    bytes: row['bytes'] as number,
    paths: row['paths'] as number,
  };
}

/** Moves the head, and counts what came. */
export function advance(connection: Connection, { position, storedAt }: Head, events: number, bytes: number): void {
  connection.run('UPDATE telltale_log SET position = ?, stored_at = ?, events = events + ?, bytes = bytes + ?', [
    position,
    storedAt,
    events,
    bytes,
  ]);
}

/** Counts what went (negative) or changed. */
export function count(connection: Connection, events: number, bytes: number): void {
  connection.run('UPDATE telltale_log SET events = events + ?, bytes = bytes + ?', [events, bytes]);
}

/** For other processes: what was removed or rewritten. Old ones go, since whoever is that far behind reads anew. */
export function noteChange(connection: Connection, from: number, to: number): void {
  connection.run('INSERT INTO telltale_changes (from_position, to_position) VALUES (?, ?)', [from, to]);
  connection.run(
    `DELETE FROM telltale_changes WHERE serial <= (SELECT max(serial) FROM telltale_changes) - ${KEPT_CHANGES}`,
  );
}

/** The serial of the last change, 0 before the first. */
export function lastChange(connection: Connection): number {
  return (connection.get('SELECT max(serial) AS serial FROM telltale_changes')!['serial'] as number | null) ?? 0;
}

/** What was removed or rewritten since, in order of positions, and up to which serial; all of the log where nobody knows. */
export function changesSince(connection: Connection, serial: number): { ranges: readonly Range[]; last: number } {
  const sql =
    'SELECT serial, from_position AS "from", to_position AS "to" FROM telltale_changes WHERE serial > ? ORDER BY serial';
  const rows = connection.all(sql, [serial]) as unknown as readonly (Range & { readonly serial: number })[];
  if (rows.length === 0) return { ranges: [], last: serial };
  const last = rows.at(-1)!.serial;
  if (rows[0]!.serial > serial + 1) return { ranges: [{ from: 1, to: readLog(connection).position }], last };
  return { ranges: rows.map(({ from, to }) => ({ from, to })).toSorted((a, b) => a.from - b.from), last };
}

const KEPT_CHANGES = 10_000;
