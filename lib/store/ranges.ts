import { expected } from '../errors.ts';
import { isWellFormed } from '../event/well-formed.ts';
import type { RemovedRange } from './port.ts';

/** Inclusive positions. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

/** Sorted, without overlaps, neighbours joined. */
export function mergeRanges(ranges: readonly Range[]): Range[] {
  const merged: { from: number; to: number }[] = [];
  for (const { from, to } of ranges.toSorted((a, b) => a.from - b.from)) {
    const last = merged[merged.length - 1];
    if (last !== undefined && from <= last.to + 1) last.to = Math.max(last.to, to);
    else merged.push({ from, to });
  }
  return merged;
}

/** What of `ranges` is not in `taken`. Both sorted and without overlaps. */
export function subtractRanges(ranges: readonly Range[], taken: readonly Range[]): Range[] {
  const left: Range[] = [];
  let next = 0;
  for (const range of ranges) {
    let from = range.from;
    while (next < taken.length && taken[next]!.to < from) next++;
    for (let i = next; i < taken.length && taken[i]!.from <= range.to; i++) {
      if (taken[i]!.from > from) left.push({ from, to: taken[i]!.from - 1 });
      from = Math.max(from, taken[i]!.to + 1);
    }
    if (from <= range.to) left.push({ from, to: range.to });
  }
  return left;
}

/**
 * Adds a range to a sorted list of removals. Joined to its left neighbour only where reason and time are the same: when
 * a position went must not change because its neighbour goes later.
 */
export function recordRemoval(removals: RemovedRange[], added: RemovedRange): void {
  const at = firstBehind(removals, added.from);
  const before = removals[at - 1];
  if (before !== undefined && continues(before, added)) removals[at - 1] = { ...before, to: added.to };
  else removals.splice(at, 0, added);
}

/** Adds many sorted ranges at once, as `recordRemoval` does one by one; answers the new list. */
export function recordRemovals(removals: readonly RemovedRange[], added: readonly RemovedRange[]): RemovedRange[] {
  // What lies before all of them stays as it is: a sweep goes forward, and copying is cheap.
  let next = added.length === 0 ? removals.length : firstBehind(removals, added[0]!.from);
  const merged = removals.slice(0, next);
  const push = (range: RemovedRange): void => {
    const before = merged[merged.length - 1];
    if (before !== undefined && continues(before, range)) merged[merged.length - 1] = { ...before, to: range.to };
    else merged.push(range);
  };
  for (const range of added) {
    for (; next < removals.length && removals[next]!.from < range.from; next++) merged.push(removals[next]!);
    push(range);
  }
  for (; next < removals.length; next++) push(removals[next]!);
  return merged;
}

/** Those of sorted ranges without overlaps that have a position in `range`, by binary search. */
export function overlapping<T extends Range>(ranges: readonly T[], range: Range): T[] {
  const start = firstBehind(ranges, range.from);
  const first = (ranges[start - 1]?.to ?? 0) >= range.from ? start - 1 : start;
  return ranges.slice(first, firstBehind(ranges, range.to));
}

function continues(before: RemovedRange, added: RemovedRange): boolean {
  return before.to + 1 === added.from && before.reason === added.reason && before.at === added.at;
}

/** Number of the first range that begins behind `position`. */
function firstBehind(ranges: readonly Range[], position: number): number {
  let [low, high] = [0, ranges.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ranges[middle]!.from <= position) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function intersects(a: Range, b: Range): boolean {
  return a.from <= b.to && b.from <= a.to;
}

/** Throws `INVALID_OPTION`. */
export function checkRanges(ranges: readonly Range[], reason: string): void {
  for (const { from, to } of ranges) {
    if (!(Number.isSafeInteger(from) && from >= 1))
      throw expected('INVALID_OPTION', '`from`', 'a position from 1', from);
    if (!(to >= from)) throw expected('INVALID_OPTION', '`to`', `a position from ${from}`, to);
  }
  if (typeof reason !== 'string' || reason.length === 0 || !isWellFormed(reason))
    throw expected('INVALID_OPTION', '`reason`', 'a well-formed text that says why', reason);
}
