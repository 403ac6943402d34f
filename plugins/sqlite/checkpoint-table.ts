import { TelltaleError, mustBeNewest } from '../../lib/plugin.ts';
import type { TargetCheckpoint } from '../../lib/plugin.ts';
import type { Connection } from './connection.ts';

const TABLE = 'telltale_checkpoints';
const VERSION = 1;
const MARK = /\/\* telltale checkpoints (\d+) \*\//;
const CREATE = `CREATE TABLE ${TABLE} (
  /* telltale checkpoints ${VERSION} */
  key TEXT PRIMARY KEY,
  position INTEGER NOT NULL,
  epoch REAL NOT NULL,
  event_id TEXT
) WITHOUT ROWID`;

/**
 * Makes the table of checkpoints where it is not there, within the caller's transaction. Throws `TARGET_BROKEN` for one
 * of another program, `STORE_VERSION` for one of a newer version.
 */
export function bringCheckpoints(connection: Connection, path: string): void {
  const found = connection.get('SELECT sql FROM sqlite_master WHERE name = ?', [TABLE]);
  if (found === undefined) return connection.exec(CREATE);
  const version = Number(MARK.exec(String(found['sql']))?.[1] ?? NaN);
  if (version === VERSION) return;
  const details = { path, table: TABLE };
  if (version > VERSION) {
    const text = `sqlite ${path}: expected \`${TABLE}\` to be of version ${VERSION}, found ${version}; a newer telltale wrote it`;
    throw new TelltaleError('STORE_VERSION', text, { details });
  }
  throw new TelltaleError('TARGET_BROKEN', `sqlite ${path}: \`${TABLE}\` is another program's table`, { details });
}

/** What is known under a checkpoint's key. Throws `LEASE_LOST` where that has a later holder. */
export function readNewest(connection: Connection, given: TargetCheckpoint): TargetCheckpoint | undefined {
  const row = connection.get(`SELECT position, epoch, event_id FROM ${TABLE} WHERE key = ?`, [given.key]);
  if (row === undefined) return undefined;
  const { position, epoch, event_id: eventId } = row;
  const event = eventId !== null && { eventId: String(eventId) };
  const known = { key: given.key, position: Number(position), epoch: Number(epoch), ...event };
  mustBeNewest(known, given);
  return known;
}

export function writeCheckpoint(connection: Connection, checkpoint: TargetCheckpoint): void {
  const { key, position, epoch, eventId = null } = checkpoint;
  connection.run(`REPLACE INTO ${TABLE} (key, position, epoch, event_id) VALUES (?, ?, ?, ?)`, [
    key,
    position,
    epoch,
    eventId,
  ]);
}
