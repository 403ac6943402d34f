import { Slice, contentHash } from '../../lib/plugin.ts';
import type { Between, Range, RemovedRange, StoredEvent } from '../../lib/plugin.ts';
import type { Appender } from './appender.ts';
import type { Connection } from './connection.ts';
import { addKeys, removeKeys } from './keys.ts';
import { count, lastChange, noteChange } from './log.ts';
import { packEvents } from './packing.ts';
import { REWRITE, WHOLE, decode, rewriting } from './records.ts';
import type { Writer } from './writer.ts';

export const BURY =
  'INSERT INTO telltale_tombstones (position, id, revision, stored_at, hash, entity) VALUES (?, ?, ?, ?, ?, ?)';
/** Rows whose removal is prepared before the next look at the clock. */
const ROWS = 16;
/** The work of one step, ms; the commit behind it takes a sync more. */
const STEP_MS = 5;

export interface ChangeContext {
  readonly writer: Writer;
  readonly appender: Appender;
  readonly compressAbove: number;
  readonly between: Between;
  /** Told of the serial of each step, when it is committed. */
  readonly noted: (serial: number) => void;
}

/** Takes events out, step by step: what goes in one step is recorded with it. Answers how many events went. */
export async function removeRanges(
  context: ChangeContext,
  ranges: readonly Range[],
  reason: string,
  at: number,
): Promise<number> {
  let removed = 0;
  for (const { from, to } of ranges) {
    for (let next = from; next <= to;) {
      const part = { from: next, to };
      const step = await inStep(context, (connection) => removePart(context, connection, part, { reason, at }));
      removed += step.removed;
      next = step.next;
    }
  }
  return removed;
}

/** Gives events another payload, metadata and schemaVersion. */
export async function rewriteEvents(context: ChangeContext, events: readonly StoredEvent[]): Promise<void> {
  for (let at = 0; at < events.length;) {
    const packed = await packEvents(events.slice(at, at + ROWS), context.compressAbove);
    at = await inStep(context, async (connection) => {
      const slice = new Slice(STEP_MS);
      let next = at;
      do {
        const event = events[next++]!;
        await rewriteOne(context, connection, event, packed.get(event.payload));
      } while (next < events.length && next < at + ROWS && !slice.isOver);
      noteChange(connection, events[at]!.position, events[next - 1]!.position);
      return next;
    });
  }
}

/** Records a removed range; joined to the one before it where reason and time are the same. */
export function recordRange(connection: Connection, { from, to, reason, at }: RemovedRange): void {
  const joined = connection.run(
    'UPDATE telltale_removals SET to_position = ? WHERE to_position = ? AND reason = ? AND at = ? AND from_position = (SELECT max(from_position) FROM telltale_removals WHERE from_position < ?)',
    [to, from - 1, reason, at, from],
  );
  if (joined > 0) return;
  connection.run('INSERT INTO telltale_removals (from_position, to_position, reason, at) VALUES (?, ?, ?, ?)', [
    from,
    to,
    reason,
    at,
  ]);
}

async function inStep<T>(context: ChangeContext, work: (connection: Connection) => Promise<T>): Promise<T> {
  const { result, serial } = await context.between(() =>
    context.writer.transaction(async (connection) => ({
      result: await work(connection),
      serial: lastChange(connection),
    })),
  );
  context.noted(serial);
  // Reads and timers have their turn; what waits to be appended goes before the next step.
  await new Promise((resolve) => setImmediate(resolve));
  return result;
}

async function removePart(
  { appender }: ChangeContext,
  connection: Connection,
  { from, to }: Range,
  why: Pick<RemovedRange, 'reason' | 'at'>,
): Promise<{ readonly removed: number; readonly next: number }> {
  const slice = new Slice(STEP_MS);
  const paths = appender.paths(connection);
  let [next, removed, bytes] = [from, 0, 0];
  do {
    const rows = connection.all(
      `SELECT ${WHOLE} FROM telltale_events WHERE position >= ? AND position <= ? ORDER BY position LIMIT ?`,
      [next, to, ROWS],
    );
    const end = rows.length < ROWS ? to : (rows[rows.length - 1]!['position'] as number);
    for (const row of rows) {
      const { event } = await decode(row, false);
      buryEvent(connection, event);
      removeKeys(connection, paths, event);
      bytes += row['bytes'] as number;
    }
    removed += rows.length;
    connection.run('DELETE FROM telltale_events WHERE position >= ? AND position <= ?', [next, end]);
    next = end + 1;
  } while (next <= to && !slice.isOver);
  const gone = { from, to: next - 1 };
  recordRange(connection, { ...gone, ...why });
  noteChange(connection, gone.from, gone.to);
  count(connection, -removed, -bytes);
  return { removed, next };
}

/** What stays of an event: its id for ever, and its entity's revision. */
function buryEvent(connection: Connection, event: StoredEvent): void {
  const { position, id, revision, storedAt, entity } = event;
  connection.run(BURY, [position, id, revision, storedAt, contentHash(event), entity ?? null]);
}

async function rewriteOne(
  { appender }: ChangeContext,
  connection: Connection,
  event: StoredEvent,
  packed: Uint8Array | undefined,
): Promise<void> {
  const row = connection.get(`SELECT ${WHOLE} FROM telltale_events WHERE position = ?`, [event.position]);
  if (row === undefined) return;
  const paths = appender.paths(connection);
  removeKeys(connection, paths, (await decode(row, false)).event);
  const now = rewriting(event, packed);
  connection.run(REWRITE, now);
  addKeys(connection, paths, event);
  count(connection, 0, (now[2] as number) - (row['bytes'] as number));
}
