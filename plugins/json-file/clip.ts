import type { Range, RemovedRange } from '../../lib/plugin.ts';

/** What of a range lies within a span: one range or none. */
export function clip(range: RemovedRange, { from, to }: Range): RemovedRange[] {
  if (range.from > to || range.to < from) return [];
  return [{ ...range, from: Math.max(range.from, from), to: Math.min(range.to, to) }];
}
