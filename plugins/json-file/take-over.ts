import type { ImportSlice, Range, RemovedRange, StoredEvent, Tombstone } from '../../lib/plugin.ts';
import type { Appender } from './appender.ts';
import { clip } from './clip.ts';
import type { Log } from './log.ts';

/** Records with consecutive positions, which become one segment, and what a header says of them and of the positions just before them. */
export interface Run {
  readonly first: number;
  readonly records: readonly (StoredEvent | Tombstone)[];
  readonly removed: readonly RemovedRange[];
}

const SEGMENT_RECORDS = 16_384;

/**
 * Writes a stretch of another log behind the head: each run a segment of its own, which is there whole or not at all. A
 * torn tail would cost its positions for ever, and the copy the events. Removed events that are still known become
 * tombstones; positions of which nothing is known have no record, and the segment behind them says why. Answers how
 * many segments were begun.
 */
export async function takeOver(log: Log, appender: Appender, slice: ImportSlice): Promise<number> {
  const runs = runsOf(slice);
  for (const { first, records, removed } of runs) {
    const storedAt = records.length > 0 ? log.head.storedAt : slice.storedAt;
    await appender.startSegment(first, removed, { records, storedAt });
    if (records.length === 0) log.moveHead({ position: first - 1, storedAt });
  }
  log.moveHead({ position: slice.to, storedAt: slice.storedAt });
  return runs.length;
}

/** The last run may have no record: it stands behind positions of which nothing is known. */
export function runsOf({ from, to, events, tombstones, removed }: ImportSlice): Run[] {
  const runs: Run[] = [];
  let records: (StoredEvent | Tombstone)[] = [];
  let end = from - 1;
  const close = (next: number): void => {
    if (records.length > 0) {
      const first = records[0]!.position;
      runs.push({ first, records, removed: explained(removed, { from: end + 1, to: next }, first) });
      end = next;
    }
    records = [];
  };
  for (const record of merged(events, tombstones)) {
    const last = records.at(-1)?.position;
    if (last !== undefined && (record.position !== last + 1 || records.length === SEGMENT_RECORDS)) close(last);
    records.push(record);
  }
  close(records.at(-1)?.position ?? end);
  if (end < to) runs.push({ first: to + 1, records, removed: explained(removed, { from: end + 1, to }, to + 1) });
  return runs;
}

/** The parts of removed ranges within a span, cut at the first record: what lies before it is told apart. */
function explained(removed: readonly RemovedRange[], span: Range, first: number): readonly RemovedRange[] {
  return removed.flatMap((range) => [
    ...clip(range, { from: span.from, to: Math.min(span.to, first - 1) }),
    ...clip(range, { from: Math.max(span.from, first), to: span.to }),
  ]);
}

function* merged(
  events: readonly StoredEvent[],
  tombstones: readonly Tombstone[],
): Generator<StoredEvent | Tombstone, void, undefined> {
  let next = 0;
  for (const event of events) {
    while (next < tombstones.length && tombstones[next]!.position < event.position) yield tombstones[next++]!;
    yield event;
  }
  yield* tombstones.slice(next);
}
