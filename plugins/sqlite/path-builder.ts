import { Slice } from '../../lib/plugin.ts';
import type { Connection } from './connection.ts';
import { addKeys, isReady, readPaths } from './keys.ts';
import type { KeyPath } from './keys.ts';
import { WHOLE, salvage } from './records.ts';
import type { Writer } from './writer.ts';

const ROWS = 64;

/**
 * Adds older events to the index of paths that are new, in small transactions; what came after a path was noted is in
 * its index already. Resumes where it stopped. `stopped` is asked between two steps.
 */
export async function buildPaths(writer: Writer, stopped: () => boolean): Promise<void> {
  for (let left = true; left && !stopped();) {
    left = await writer.transaction(buildSome);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Answers whether something is left. */
async function buildSome(connection: Connection): Promise<boolean> {
  const path = readPaths(connection).find((known) => !isReady(known));
  if (path === undefined) return false;
  const slice = new Slice();
  let at = path.indexedTo;
  do at = await buildRows(connection, path, at);
  while (at < path.indexedFrom && !slice.isOver);
  connection.run('UPDATE telltale_paths SET indexed_to = ? WHERE number = ?', [at, path.number]);
  // Whoever reads looks at the list again.
  if (at >= path.indexedFrom) connection.run('UPDATE telltale_log SET paths = paths + 1');
  return true;
}

/** Answers how far the index now reaches. */
async function buildRows(connection: Connection, path: KeyPath, after: number): Promise<number> {
  const rows = connection.all(
    `SELECT ${WHOLE} FROM telltale_events WHERE position > ? AND position <= ? ORDER BY position LIMIT ${ROWS}`,
    [after, path.indexedFrom],
  );
  // A damaged row is found by nothing but its position.
  for (const row of rows) addKeys(connection, [path], (await salvage(row)).event);
  return rows.length < ROWS ? path.indexedFrom : (rows[rows.length - 1]!['position'] as number);
}
