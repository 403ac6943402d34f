import type { Range, RemovedRange, Tombstone } from '../../lib/plugin.ts';
import type { Segment } from './segment.ts';
import { clip } from './clip.ts';

const READ_RECORDS = 1_024;

/** What is left of removed events in these segments, in position order. */
export async function tombstonesIn(
  segments: readonly Segment[],
  range: Range,
  limit: number,
): Promise<readonly Tombstone[]> {
  const found: Tombstone[] = [];
  for (const segment of segments) {
    const { first, count, last, removals } = segment;
    if (count === 0 || removals === 0 || last < range.from || first > range.to) continue;
    const gone = (await segment.header()).removed.flatMap((one) => clip(one, range));
    const to = Math.min(last, range.to) - first;
    for (let at = Math.max(first, range.from) - first; at <= to; at += READ_RECORDS) {
      const end = Math.min(to, at + READ_RECORDS - 1);
      const only = numbersIn(gone, { from: first + at, to: first + end }, first);
      if (only.length === 0) continue;
      for (const record of await segment.records(at, end, only)) if (!('type' in record)) found.push(record);
      if (found.length >= limit) return found.slice(0, limit);
    }
  }
  return found;
}

/** Numbers of the records of removed positions within a span. */
function numbersIn(gone: readonly RemovedRange[], span: Range, first: number): number[] {
  const numbers: number[] = [];
  for (const { from, to } of gone.flatMap((range) => clip(range, span)))
    for (let position = from; position <= to; position++) numbers.push(position - first);
  return numbers;
}
