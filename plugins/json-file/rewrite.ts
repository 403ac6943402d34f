import { join } from 'node:path';
import { Slice, contentHash, recordRemovals, toError } from '../../lib/plugin.ts';
import type { Between, Range, RemovedRange, StoredEvent } from '../../lib/plugin.ts';
import type { Appender } from './appender.ts';
import { newUid } from './appender.ts';
import { BLOCK_BYTES } from './blocks.ts';
import { encodeHeader } from './header.ts';
import type { SegmentHeader } from './header.ts';
import { encodeLine } from './line.ts';
import type { Log } from './log.ts';
import { MemoryIndex } from './memory-index.ts';
import { eventJson, isEvent, readMarks, tombstoneJson } from './record.ts';
import type { Marks, Tombstone } from './record.ts';
import { Segment, segmentName } from './segment.ts';
import { writeCompressed, writePlain } from './segment-writer.ts';
import { swapSegments } from './swap.ts';

/** What a change of stored records works with. */
export interface Change {
  readonly log: Log;
  readonly appender: Appender;
  /** Runs a step between two commits, if the log is still ours to change. */
  readonly between: Between;
  /** Sealed segments are kept compressed. */
  readonly compress: boolean;
}

/** What a record shall be from now on, and its line; `undefined` leaves it as it is. */
type Revise = (
  record: StoredEvent | Tombstone,
  marks: Marks,
) => { readonly record: StoredEvent | Tombstone; readonly json: string } | undefined;

const READ_BYTES = 256 * 1024;
const NO_BYTES = Buffer.alloc(0);

/**
 * Takes events out: of each, its id, revision and hash stay. Every segment is copied without them, in slices and beside
 * the appends, and replaced by one rename, so a crash leaves each segment as it was or as it shall be. One that has no
 * event left is kept compressed, whatever the options say: what stays is a fifth of an event, and is seldom asked for.
 * Answers how many events there were.
 */
export async function removeRanges(
  change: Change,
  ranges: readonly Range[],
  reason: string,
  at: number,
): Promise<number> {
  let removed = 0;
  for (const first of await sealedSegments(change, ranges)) {
    await change.log.maintain(async () => {
      const segment = change.log.segmentAt(first);
      const within = clip(ranges, segment);
      const isIn = follower(within);
      const revise: Revise = (record, marks) => {
        if (!isEvent(record) || !isIn(record.position)) return undefined;
        const tombstone = tombstoneOf(record);
        return { record: tombstone, json: tombstoneJson(tombstone, marks) };
      };
      const added = within.map(({ from, to }) => ({ from, to, reason, at }));
      await new Slice().rest();
      removed += await replaceSegments(change, [segment], revise, added);
    });
  }
  return removed;
}

/** Writes other content for events that are there, in their places. */
export async function rewriteEvents(change: Change, events: readonly StoredEvent[]): Promise<void> {
  const byPosition = new Map(events.map((event) => [event.position, event]));
  const positions = events.map(({ position }) => position).toSorted((a, b) => a - b);
  const ranges = positions.map((position) => ({ from: position, to: position }));
  const revise: Revise = ({ position }, marks) => {
    const event = byPosition.get(position);
    return event === undefined ? undefined : { record: event, json: eventJson(event, marks) };
  };
  for (const first of await sealedSegments(change, ranges))
    await change.log.maintain(() => replaceSegments(change, [change.log.segmentAt(first)], revise));
}

/** The segments that the ranges touch. Only sealed ones are ever replaced: the active one is sealed for it. */
async function sealedSegments({ log, appender, between }: Change, ranges: readonly Range[]): Promise<number[]> {
  const touched = ({ count, first, last }: Segment): boolean =>
    count > 0 && (ranges[firstReaching(ranges, first)]?.from ?? Infinity) <= last;
  await between(async () => {
    if (touched(log.active!)) await appender.startSegment(log.head.position + 1, []);
  });
  await appender.settled();
  return log.segments.filter(touched).map(({ first }) => first);
}

/** The parts of sorted ranges that lie in a segment. */
function clip(ranges: readonly Range[], { first, last }: Segment): readonly Range[] {
  const clipped: Range[] = [];
  for (let i = firstReaching(ranges, first); i < ranges.length && ranges[i]!.from <= last; i++)
    clipped.push({ from: Math.max(ranges[i]!.from, first), to: Math.min(ranges[i]!.to, last) });
  return clipped;
}

/** Number of the first range that ends at `position` or behind it. */
function firstReaching(ranges: readonly Range[], position: number): number {
  let [low, high] = [0, ranges.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ranges[middle]!.to < position) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Answers for rising positions whether they lie in sorted ranges. */
function follower(ranges: readonly Range[]): (position: number) => boolean {
  let next = 0;
  return (position) => {
    while (next < ranges.length && ranges[next]!.to < position) next++;
    return next < ranges.length && ranges[next]!.from <= position;
  };
}

function tombstoneOf(event: StoredEvent): Tombstone {
  const { position, revision, storedAt, id, entity } = event;
  const tombstone = { position, revision, storedAt, id, hash: contentHash(event) };
  return entity === undefined ? tombstone : { ...tombstone, entity };
}

/**
 * Writes the records of a segment, or of several that follow one another, into a new one in their place. Answers how
 * many were revised.
 */
export async function replaceSegments(
  change: Change,
  segments: readonly Segment[],
  revise: Revise = () => undefined,
  added: readonly RemovedRange[] = [],
): Promise<number> {
  const { log, appender, between } = change;
  const { fs, folder, paths } = log.context;
  const [{ first }, { last }] = [segments[0]!, segments[segments.length - 1]!];
  const header = await headerOf(segments, added);
  const { removed } = header;
  const packed = change.compress || segments.every((segment) => segment.compressed);
  const compressed = packed || coversAll(removed, first, last);
  // With thousands of ranges each of these takes some ms.
  await new Slice().rest();
  const head = compressed ? NO_BYTES : encodeHeader(header);
  const path = join(folder, segmentName(first, compressed));
  const copy = new Copy(revise, new MemoryIndex(paths, compressed ? 0 : head.length));
  const lines = copy.lines(segments);
  const written = await appender.guard(() =>
    compressed ? writeCompressed(fs, path, header, lines, 0) : writePlain(fs, path, head, lines),
  );
  const { bytes, start, end } = written;
  const facts = { first, count: last - first + 1, uid: header.uid, bytes, start, removals: removed.length };
  const after = new Segment(log.context, compressed ? { ...facts, raw: end } : facts, copy.index);
  await swapSegments(change, segments, after, between);
  await saveIndex(appender, after, copy.index);
  return copy.revised;
}

async function headerOf(segments: readonly Segment[], added: readonly RemovedRange[]): Promise<SegmentHeader> {
  const headers: SegmentHeader[] = [];
  for (const segment of segments) headers.push(await segment.header());
  const { layout: _, ...before } = headers[0]!;
  const known = headers.flatMap(({ removed }) => removed);
  const header = { ...before, uid: newUid(), removed: recordRemovals(recordRemovals([], known), added) };
  return segments.length === 1 ? header : { ...header, last: segments[segments.length - 1]!.last };
}

/** Readers have the index in memory meanwhile, and would make it again if it were missing. */
async function saveIndex(appender: Appender, segment: Segment, index: MemoryIndex): Promise<void> {
  try {
    await appender.guard(() => segment.writeIndex(index));
  } catch (error) {
    appender.notice(`the index of ${segment.path} could not be written: ${toError(error).message}`);
  }
}

function coversAll(removed: readonly Range[], first: number, last: number): boolean {
  let next = first;
  for (const { from, to } of removed) if (from <= next && to >= next) next = to + 1;
  return next > last;
}

/** The lines of segments, those that are revised written anew, and one index of all. */
class Copy {
  readonly #revise: Revise;
  readonly index: MemoryIndex;
  revised = 0;

  constructor(revise: Revise, index: MemoryIndex) {
    this.#revise = revise;
    this.index = index;
  }

  async *lines(segments: readonly Segment[]): AsyncGenerator<Buffer> {
    for (const segment of segments) yield* this.#linesOf(segment);
  }

  async *#linesOf(segment: Segment): AsyncGenerator<Buffer> {
    const { count } = segment;
    const offsets = await segment.ask((index) => index.offsets());
    const slice = new Slice();
    for (let from = 0; from < count;) {
      let to = from;
      while (to + 1 < count && offsets[to + 2]! - offsets[from]! <= READ_BYTES) to++;
      yield* this.#part(segment, { from, to }, offsets, slice);
      from = to + 1;
    }
  }

  /** Unchanged neighbours stay one piece of the old bytes. */
  async *#part(
    segment: Segment,
    { from, to }: Range,
    offsets: ArrayLike<number>,
    slice: Slice,
  ): AsyncGenerator<Buffer> {
    const base = offsets[from]!;
    const bytes = await segment.read(base, offsets[to + 1]!);
    let kept = 0;
    for (let i = from; i <= to; i++) {
      const [start, end] = [offsets[i]! - base, offsets[i + 1]! - base];
      const record = segment.decode(bytes, start, end, i);
      const revised = this.#revise(record, readMarks(bytes, start, end)!);
      const line = revised && encodeLine(revised.json);
      this.index.add(revised?.record ?? record, this.index.end + (line?.length ?? end - start));
      if (kept < start && (line !== undefined || end - kept > BLOCK_BYTES)) {
        yield bytes.subarray(kept, start);
        kept = start;
      }
      if (line !== undefined) {
        yield line;
        kept = end;
        this.revised++;
      }
      if (slice.isOver) await slice.rest();
    }
    if (kept < bytes.length) yield bytes.subarray(kept);
  }
}
