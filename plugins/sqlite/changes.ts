import { Slice } from '../../lib/plugin.ts';
import type { Between, Fence, Range, StoredEvent } from '../../lib/plugin.ts';
import type { Appender } from './appender.ts';
import type { Connection } from './connection.ts';
import { checkFence } from './documents.ts';
import { addKeys, removeKeys } from './keys.ts';
import { count, lastChange, noteChange } from './log.ts';
import { packEvents } from './packing.ts';
import { REWRITE, WHOLE, decode, rewriting } from './records.ts';
import { Removal } from './removal.ts';
import type { Place, Why } from './removal.ts';
import type { Writer } from './writer.ts';

/** Events whose new content is packed at once. */
const ROWS = 16;
/** The work of one step, ms; the commit behind it takes a sync more. */
const STEP_MS = 5;

export interface ChangeContext {
  readonly writer: Writer;
  readonly appender: Appender;
  readonly compressAbove: number;
  readonly between: Between;
  /** Looked at again in each step: another process may have taken the lease. */
  readonly fence: Fence | undefined;
  /** Told between which serials the changes of each step are, when it is committed. */
  readonly noted: (before: number, last: number) => void;
}

/**
 * Takes events out, step by step: what goes in one step is recorded with it. What another process has removed meanwhile
 * is left to its record. Answers how many events went.
 */
export async function removeRanges(context: ChangeContext, ranges: readonly Range[], why: Why): Promise<number> {
  let removed = 0;
  for (let place: Place = { index: 0, from: ranges[0]!.from }; place.index < ranges.length;) {
    const start = place;
    const step = await inStep(context, (connection) =>
      new Removal(connection, context.appender.paths(connection), why, STEP_MS).take(ranges, start),
    );
    removed += step.removed;
    place = step;
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

async function inStep<T>(context: ChangeContext, work: (connection: Connection) => Promise<T>): Promise<T> {
  const { result, before, last } = await context.between(() =>
    context.writer.transaction(async (connection) => {
      checkFence(connection, context.fence);
      const serial = lastChange(connection);
      return { result: await work(connection), before: serial, last: lastChange(connection) };
    }),
  );
  context.noted(before, last);
  // Reads and timers have their turn; what waits to be appended goes before the next step.
  await new Promise((resolve) => setImmediate(resolve));
  return result;
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
