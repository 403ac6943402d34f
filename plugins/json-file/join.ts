import { isTelltaleError, toError } from '../../lib/plugin.ts';
import { replaceSegments } from './rewrite.ts';
import type { Change } from './rewrite.ts';
import type { Segment } from './segment.ts';

/** How large a segment may become by joining. */
export interface JoinLimits {
  readonly records: number;
  readonly bytes: number;
}

/** What is left of removed events is small: it may make longer segments. */
const GONE: JoinLimits = { records: 65_536, bytes: 16 * 1024 * 1024 };
/** A segment larger than this share of the limit is left alone. */
const SMALL = 1 / 4;
/** Fewer neighbours are not worth it. */
const LEAST = 4;
const SMALLEST_BYTES = 4 * 1024;

/**
 * Joins small segments that follow one another: each removal that reaches the end of the log seals a segment, however
 * short, and the number of files must not grow with the number of removals. A failure is noticed, and leaves the log
 * as it was.
 */
export async function joinSmall(change: Change, limits: JoinLimits): Promise<void> {
  try {
    while (await joinOnce(change, limits));
  } catch (error) {
    if (isTelltaleError(error)) throw error;
    change.appender.notice(`small segments could not be joined: ${toError(error).message}`);
  }
}

/** False when nothing is worth joining. */
function joinOnce(change: Change, limits: JoinLimits): Promise<boolean> {
  const { log } = change;
  return log.maintain(async () => {
    const sealed = log.segments.slice(0, -1);
    const gone = new Set<Segment>();
    for (const segment of sealed) if ((await segment.gone())[0] === segment.count) gone.add(segment);
    const crowd = crowdOf(sealed, GONE, (segment) => gone.has(segment)) ?? crowdOf(sealed, limits, () => true);
    if (crowd === undefined) return false;
    await replaceSegments(change, crowd);
    return true;
  });
}

/**
 * Neighbours to join, if any. The smallest come first, and none that is as large as all others together, so that a
 * record is written again no more often than the size of its segment doubles.
 */
export function crowdOf(
  segments: readonly Segment[],
  limits: JoinLimits,
  fits: (segment: Segment) => boolean,
): readonly Segment[] | undefined {
  const most = limits.bytes * SMALL;
  for (let bytes = SMALLEST_BYTES; bytes < most * 4; bytes *= 4) {
    const isSmall = (segment: Segment): boolean =>
      fits(segment) && sizeOf(segment) <= Math.min(bytes, most) && segment.count <= limits.records * SMALL;
    const found = runs(segments, limits, isSmall).find(isWorthIt);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Longest runs of neighbours without a gap that keep the limits together. */
function runs(segments: readonly Segment[], limits: JoinLimits, fits: (segment: Segment) => boolean): Segment[][] {
  const found: Segment[][] = [];
  let [run, records, bytes]: [Segment[], number, number] = [[], 0, 0];
  for (const segment of segments) {
    const isNext = run.length > 0 && run[run.length - 1]!.last + 1 === segment.first;
    const isFull = records + segment.count > limits.records || bytes + sizeOf(segment) > limits.bytes;
    if (!isNext || isFull || !fits(segment)) {
      found.push(run);
      [run, records, bytes] = [[], 0, 0];
    }
    if (!fits(segment)) continue;
    run.push(segment);
    records += segment.count;
    bytes += sizeOf(segment);
  }
  return [...found, run];
}

function isWorthIt(run: readonly Segment[]): boolean {
  const sizes = run.map(sizeOf);
  return run.length >= LEAST && Math.max(...sizes) * 2 <= sizes.reduce((sum, size) => sum + size, 0);
}

function sizeOf({ bytes, start }: Segment): number {
  return bytes - start;
}
