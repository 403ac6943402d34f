import { contentHash, recordRemoval } from '../../lib/plugin.ts';
import type { RemovedRange, StoredEvent } from '../../lib/plugin.ts';
import type { Appender } from './appender.ts';
import { newUid } from './appender.ts';
import { encodeHeader } from './header.ts';
import { replaceFile } from './io.ts';
import { encodeLine } from './line.ts';
import type { Log } from './log.ts';
import { dropManifest } from './manifest.ts';
import { decodeContent, eventJson, isEvent, readMarks, tombstoneJson } from './record.ts';
import type { Marks, Tombstone } from './record.ts';
import { Segment } from './segment.ts';

interface Range {
  readonly from: number;
  readonly to: number;
}

/** The JSON a record's line shall have from now on; `undefined` leaves the line as it is. */
type Change = (record: StoredEvent | Tombstone, marks: Marks) => string | undefined;

/** Lines changed between two turns of the event loop. */
const SLICE = 128;

/**
 * Takes events out: of each, its id, revision and hash stay. Every segment is copied without them and replaced by one
 * rename, so a crash leaves each segment as it was or as it shall be. Answers how many events there were.
 */
export async function removeRanges(
  log: Log,
  appender: Appender,
  ranges: readonly Range[],
  reason: string,
  at: number,
): Promise<number> {
  let removed = 0;
  for (const segment of await sealedSegments(log, appender, ranges)) {
    const within = clip(ranges, segment);
    const change: Change = (record, marks) => {
      const { position } = record;
      if (!isEvent(record) || !within.some(({ from, to }) => position >= from && position <= to)) return undefined;
      removed++;
      return tombstoneJson({ ...record, hash: contentHash(record) }, marks);
    };
    await replaceSegment(
      log,
      appender,
      segment,
      change,
      within.map((range) => ({ ...range, reason, at })),
    );
  }
  return removed;
}

/** Writes other content for events that are there, in their places. */
export async function rewriteEvents(log: Log, appender: Appender, events: readonly StoredEvent[]): Promise<void> {
  const byPosition = new Map(events.map((event) => [event.position, event]));
  const ranges = events.map(({ position }) => ({ from: position, to: position }));
  for (const segment of await sealedSegments(log, appender, ranges)) {
    const change: Change = (record, marks) => {
      const event = byPosition.get(record.position);
      return event === undefined ? undefined : eventJson(event, marks);
    };
    await replaceSegment(log, appender, segment, change, []);
  }
}

/** The segments that the ranges touch. Only sealed ones are ever replaced: the active one is sealed for it. */
async function sealedSegments(log: Log, appender: Appender, ranges: readonly Range[]): Promise<readonly Segment[]> {
  const touched = (segment: Segment): boolean => segment.count > 0 && clip(ranges, segment).length > 0;
  const active = log.active!;
  if (touched(active)) await appender.startSegment(log.head.position + 1, []);
  await appender.settled();
  return log.segments.filter(touched);
}

function clip(ranges: readonly Range[], { first, last }: Segment): readonly Range[] {
  return ranges
    .filter(({ from, to }) => from <= last && to >= first)
    .map(({ from, to }) => ({ from: Math.max(from, first), to: Math.min(to, last) }));
}

async function replaceSegment(
  log: Log,
  appender: Appender,
  segment: Segment,
  change: Change,
  added: readonly RemovedRange[],
): Promise<void> {
  const { fs, folder } = log.context;
  const before = await segment.header();
  const removed = [...before.removed];
  for (const range of added) recordRemoval(removed, range);
  const header = { ...before, uid: newUid(), removed };
  const lines = [encodeHeader(header), ...(await changedLines(segment, change))];
  // The manifest knows this segment as it was: without it, the next opening asks the segments themselves.
  await appender.guard(() => dropManifest(fs, folder));
  await appender.guard(() => replaceFile(fs, segment.path, lines));
  const bytes = lines.reduce((sum, line) => sum + line.length, 0);
  const { first, count } = segment;
  const start = lines[0]!.length;
  log.replace(
    segment,
    new Segment(log.context, { first, count, uid: header.uid, bytes, start, removals: removed.length }),
  );
}

/** Unchanged neighbours stay one piece of the old bytes. */
async function changedLines(segment: Segment, change: Change): Promise<readonly Buffer[]> {
  const { bytes, scan } = await segment.all();
  const pieces: Buffer[] = [];
  let kept = scan.offsets[0]!;
  for (let i = 0; i < scan.count; i++) {
    if (i % SLICE === SLICE - 1) await new Promise((resolve) => setImmediate(resolve));
    const [start, end] = [scan.offsets[i]!, scan.offsets[i + 1]!];
    const line = change(decodeContent(bytes, start, end - 1), readMarks(bytes, start, end)!);
    if (line === undefined) continue;
    if (start > kept) pieces.push(bytes.subarray(kept, start));
    pieces.push(encodeLine(line));
    kept = end;
  }
  pieces.push(bytes.subarray(kept, scan.offsets[scan.count]));
  return pieces;
}
