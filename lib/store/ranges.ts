import { expected } from '../errors.ts';
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

/** Adds a range to a sorted list of removals; joins it to its left neighbour when the reason is the same. */
export function recordRemoval(removals: RemovedRange[], added: RemovedRange): void {
  let at = removals.length;
  while (at > 0 && removals[at - 1]!.from > added.from) at--;
  const before = removals[at - 1];
  if (before !== undefined && before.to + 1 === added.from && before.reason === added.reason)
    removals[at - 1] = { ...before, to: added.to, at: added.at };
  else removals.splice(at, 0, added);
}

/** Adds many sorted ranges at once, as `recordRemoval` does one by one; answers the new list. */
export function recordRemovals(removals: readonly RemovedRange[], added: readonly RemovedRange[]): RemovedRange[] {
  const merged: RemovedRange[] = [];
  let next = 0;
  const push = (range: RemovedRange): void => {
    const before = merged[merged.length - 1];
    if (before !== undefined && before.to + 1 === range.from && before.reason === range.reason)
      merged[merged.length - 1] = { ...before, to: range.to, at: Math.max(before.at, range.at) };
    else merged.push(range);
  };
  for (const range of added) {
    for (; next < removals.length && removals[next]!.from < range.from; next++) merged.push(removals[next]!);
    push(range);
  }
  for (; next < removals.length; next++) merged.push(removals[next]!);
  return merged;
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
  if (typeof reason !== 'string' || reason.length === 0)
    throw expected('INVALID_OPTION', '`reason`', 'a text that says why', reason);
}
