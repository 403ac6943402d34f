import { hasCheckpoints, mustBeNewest } from '../../lib/plugin.ts';
import type { RetryAnswer, SkippedEvent, TargetCheckpoint } from '../../lib/plugin.ts';
import type { Connection } from './connection.ts';

const TABLE = 'telltale_checkpoints';
/** Events that were passed over, each under the key of its checkpoint. */
const SKIPPED = 'telltale_skipped';
const VERSION = 2;
const MARK = /\/\* telltale checkpoints (\d+) \*\//;
const TABLES = [
  { name: TABLE, columns: 'key TEXT PRIMARY KEY, position INTEGER NOT NULL, epoch REAL NOT NULL, event_id TEXT' },
  { name: SKIPPED, columns: 'key TEXT NOT NULL, position INTEGER NOT NULL, PRIMARY KEY (key, position)' },
];

/**
 * Makes the tables where they are not there, within the caller's transaction. Throws `TARGET_BROKEN` for one of another
 * program, `STORE_VERSION` for one of another version.
 */
export function bringCheckpoints(connection: Connection, path: string): void {
  const found = TABLES.map(({ name }) => {
    const sql = connection.get('SELECT sql FROM sqlite_master WHERE name = ?', [name])?.['sql'];
    return { name, isThere: sql !== undefined, version: MARK.exec(String(sql))?.[1] };
  });
  if (hasCheckpoints(found, { where: `sqlite ${path}`, version: VERSION, details: { path } })) return;
  for (const { name, columns } of TABLES)
    connection.exec(`CREATE TABLE ${name} (/* telltale checkpoints ${VERSION} */ ${columns}) WITHOUT ROWID`);
}

/** What is known under a checkpoint's key. Throws `LEASE_LOST` where that has a later holder. */
export function readNewest(connection: Connection, given: TargetCheckpoint): TargetCheckpoint | undefined {
  const known = read(connection, given.key);
  mustBeNewest(known, given);
  return known;
}

/** No event is skipped above it any more. */
export function writeCheckpoint(connection: Connection, checkpoint: TargetCheckpoint): void {
  const { key, position, epoch, eventId = null, isSkipped } = checkpoint;
  connection.run(`REPLACE INTO ${TABLE} (key, position, epoch, event_id) VALUES (?, ?, ?, ?)`, [
    key,
    position,
    epoch,
    eventId,
  ]);
  connection.run(`DELETE FROM ${SKIPPED} WHERE key = ? AND position > ?`, [key, position]);
  if (isSkipped) connection.run(`REPLACE INTO ${SKIPPED} (key, position) VALUES (?, ?)`, [key, position]);
}

/** The event is skipped no longer; where it was not, answers why. */
export function takeSkipped(connection: Connection, { key, position }: SkippedEvent): RetryAnswer {
  if (connection.run(`DELETE FROM ${SKIPPED} WHERE key = ? AND position = ?`, [key, position]) > 0) return undefined;
  return (read(connection, key)?.position ?? -1) < position ? 'ahead' : 'known';
}

function read(connection: Connection, key: string): TargetCheckpoint | undefined {
  const row = connection.get(`SELECT position, epoch, event_id FROM ${TABLE} WHERE key = ?`, [key]);
  if (row === undefined) return undefined;
  const { position, epoch, event_id: eventId } = row;
  const event = eventId !== null && { eventId: String(eventId) };
  return { key, position: Number(position), epoch: Number(epoch), ...event };
}
