import type { RemovedRange } from '../../lib/plugin.ts';

/**
 * Removed ranges as a header has them: those of one reason and time together, as numbers that alternate between the
 * distance from the last range's end and the length. A rule that takes every second event makes thousands of ranges.
 */
export interface Spans {
  readonly reason: string;
  readonly at: number;
  readonly spans: readonly number[];
}

export function toSpans(ranges: readonly RemovedRange[]): Spans[] {
  const groups = new Map<string, Group>();
  let group: Group | undefined;
  for (const { from, to, reason, at } of ranges) {
    // Neighbours are mostly of one group; making its key costs ten times the rest.
    if (group?.reason !== reason || group.at !== at) group = groupOf(groups, reason, at);
    group.spans.push(from - group.end, to - from + 1);
    group.end = to;
  }
  return [...groups.values()].map(({ reason, at, spans }) => ({ reason, at, spans }));
}

interface Group {
  readonly reason: string;
  readonly at: number;
  readonly spans: number[];
  end: number;
}

function groupOf(groups: Map<string, Group>, reason: string, at: number): Group {
  const key = `${at} ${reason}`;
  let group = groups.get(key);
  if (group === undefined) groups.set(key, (group = { reason, at, spans: [], end: 0 }));
  return group;
}

/** Ranges in order of their positions. Logs of 0.1.0 have each as an object of its own. */
export function fromSpans(groups: readonly (Spans | RemovedRange)[]): RemovedRange[] {
  const ranges: RemovedRange[] = [];
  for (const group of groups) {
    if (!('spans' in group)) {
      ranges.push(group);
      continue;
    }
    const { reason, at, spans } = group;
    let end = 0;
    for (let i = 0; i < spans.length; i += 2) {
      const from = end + spans[i]!;
      end = from + spans[i + 1]! - 1;
      ranges.push({ from, to: end, reason, at });
    }
  }
  return groups.length > 1 ? ranges.toSorted((a, b) => a.from - b.from) : ranges;
}
