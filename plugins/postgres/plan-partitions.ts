import type { Range } from '../../lib/plugin.ts';

/** Positions from `from`, and below `end`. */
export interface Span {
  readonly from: number;
  readonly end: number;
}

/** What a log has: partitions by rising positions, and events up to `head`. */
export interface Layout {
  readonly known: readonly Span[];
  readonly head: number;
}

/**
 * The first `most` partitions of `size` that lack for rising ranges behind the head. Between the ranges none are made,
 * so that others may be there further on: what was made for a stretch of another log that was refused then.
 */
export function lackingPartitions(
  { known, head }: Layout,
  ranges: readonly Range[],
  size: number,
  most: number,
): Span[] {
  const lacking: Span[] = [];
  let [done, next] = [head + 1, 0];
  for (const { from, to } of ranges)
    for (let at = Math.max(from, done); at <= to && lacking.length < most; at = done) {
      while (next < known.length && known[next]!.end <= at) done = Math.max(done, known[next++]!.end);
      const { from: taken, end } = known[next] ?? { from: Infinity, end: Infinity };
      if (taken <= at) done = end;
      else {
        const first = done + Math.floor((at - done) / size) * size;
        done = Math.min(first + size, taken);
        lacking.push({ from: first, end: done });
      }
    }
  return lacking;
}

/** Up to where every position behind the head has a partition. */
export function reachOf({ known, head }: Layout): number {
  return known.reduce((reach, { from, end }) => (from <= reach ? Math.max(reach, end) : reach), head + 1);
}
