import { toError } from '../../lib/plugin.ts';
import type { StoredEvent } from '../../lib/plugin.ts';
import type { Connection } from './connection.ts';
import type { SqlRow } from './driver.ts';
import { rowsOf } from './findings.ts';
import type { Findings } from './findings.ts';
import { isIndexed, readPaths } from './keys.ts';
import type { KeyPath } from './keys.ts';
import { LISTED, WHOLE, decode } from './records.ts';
import { asBytes, legible, textIn } from './texts.ts';

const ROWS = 256;
const EVENTS = `SELECT ${LISTED} FROM telltale_events WHERE position > ? ORDER BY position LIMIT ?`;
const EVENT = `SELECT ${WHOLE} FROM telltale_events WHERE position = ?`;
// The `+` and the table's name let SQLite begin where the page before ended, and not look for that from the path's first.
const KEYS = `SELECT path, ${asBytes('key')}, position FROM telltale_keys
  WHERE (path, key, position) > (?, +CAST(? AS TEXT), ?) ORDER BY path, telltale_keys.key, position LIMIT ?`;
const KEY = 'SELECT 1 AS yes FROM telltale_keys WHERE path = ? AND key = ? AND position = ?';

/** Events that were read, and how many entries the index of each path has of them. */
export interface Rows {
  readonly events: number;
  readonly keys: ReadonlyMap<number, number>;
}

/** Compares the checksum of each event, and looks its values up in the index of paths. */
export async function checkRows(
  reader: Connection,
  findings: Findings,
  reached: (position: number) => void,
): Promise<Rows> {
  const paths = (await findings.of('telltale_paths', () => readPaths(reader))) ?? [];
  const keys = new Map<number, number>();
  let events = 0;
  await findings.of('telltale_events', async () => {
    for await (const row of rowsOf(reader, EVENTS, { keys: ['position'], first: [0], limit: ROWS })) {
      events++;
      const event = await eventOf(reader, row, findings);
      if (event !== undefined) checkKeysOf(reader, event, { paths, keys }, findings);
      reached(row['position'] as number);
    }
  });
  return { events, keys };
}

/** The event of a row, unless it is damaged. */
async function eventOf(reader: Connection, row: SqlRow, findings: Findings): Promise<StoredEvent | undefined> {
  const position = row['position'] as number;
  try {
    const { event, isIntact } = await decode(row['payload'] === null ? reader.get(EVENT, [position])! : row, true);
    if (isIntact) return event;
    findings.add(`the checksum of event ${event.id} is wrong`, position);
  } catch (error) {
    findings.add(`the event cannot be read: ${toError(error).message}`, position);
  }
  return undefined;
}

function checkKeysOf(
  reader: Connection,
  event: StoredEvent,
  { paths, keys }: { readonly paths: readonly KeyPath[]; readonly keys: Map<number, number> },
  findings: Findings,
): void {
  const { id, position } = event;
  for (const one of paths) {
    const key = isIndexed(one, position) ? one.read(event) : undefined;
    if (key === undefined) continue;
    if (reader.get(KEY, [one.number, key, position]) !== undefined)
      keys.set(one.number, (keys.get(one.number) ?? 0) + 1);
    else findings.add(`the index of ${one.path} (telltale_keys) does not have event ${id}`, position);
  }
}

/** Whatever the index of paths has besides `found` is looked for: it is of no event, or of one with another value. */
export async function checkKeys(reader: Connection, found: Rows['keys'], findings: Findings): Promise<void> {
  const paths = new Map(readPaths(reader).map((path) => [path.number, path]));
  const noted = new Set<unknown>();
  for (const { number, path } of reader.all(`SELECT number, ${asBytes('path')} FROM telltale_paths`)) {
    noted.add(number);
    if (textIn(path) === undefined) findings.add(`path ${number as number} (telltale_paths) is damaged`);
  }
  const counts = new Map<number, number>();
  for await (const { path } of keysOf(reader)) counts.set(path as number, (counts.get(path as number) ?? 0) + 1);
  const suspected = [...counts].filter(([path, count]) => count !== (found.get(path) ?? 0));
  if (suspected.length === 0) return;
  for await (const row of keysOf(reader)) {
    const [number, position] = [row['path'] as number, row['position'] as number];
    const path = paths.get(number);
    if (!noted.has(number)) findings.add(`telltale_keys has path ${number}, which is not in telltale_paths`, position);
    else if (path !== undefined && !(await isRight(reader, path, row)))
      findings.add(`the index of ${path.path} (telltale_keys) has a value that its event does not have`, position);
  }
}

function keysOf(reader: Connection): AsyncGenerator<SqlRow, undefined> {
  return rowsOf(reader, KEYS, { keys: ['path', 'key', 'position'], first: [-1, '', 0], limit: 1_024 });
}

async function isRight(reader: Connection, path: KeyPath, row: SqlRow): Promise<boolean> {
  const whole = reader.get(EVENT, [row['position']!]);
  if (whole === undefined) return false;
  try {
    return path.read((await decode(whole, false)).event) === legible(row['key']);
  } catch {
    // A damaged event, which has its own finding.
    return true;
  }
}
