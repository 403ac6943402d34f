import type { EventMark, Ranking, Stats } from '../../../lib/index.ts';
import { bytes, counted, integer, milliseconds, moment } from './figures.ts';
import { bars } from './table.ts';
import { clean, cut, paint } from './text.ts';
import type { Look } from './text.ts';

const ROWS = 16;

/** What `telltale stats <folder>` says. */
export function statsLines(look: Look, folder: string, stats: Stats): string[] {
  const { events, types, sources } = stats;
  const lines = [
    paint(look, 'bold', cut(`log ${clean(folder)}`, look.width)),
    ...totals(stats).map((line) => cut(`  ${line}`, look.width)),
  ];
  if (events === 0) return lines;
  return [
    ...lines,
    '',
    ...ranking(look, 'by type', types),
    '',
    ...ranking(look, 'by source', sources),
    '',
    ...overTime(look, stats),
  ];
}

function totals({ events, head, removed, oldest, newest, storedBytes, originalBytes }: Stats): string[] {
  const lines = [`${counted(events, 'event')}, up to position ${integer(head)}`];
  if (removed.positions > 0) {
    const last =
      removed.lastAt === undefined ? '' : `, last ${moment(removed.lastAt)} UTC: ${clean(removed.lastReason ?? '')}`;
    lines.push(`${integer(removed.positions)} removed${last}`);
  }
  if (oldest && newest) lines.push(`oldest  ${markText(oldest)}`, `newest  ${markText(newest)}`);
  const each = events === 0 ? '' : `, ${bytes(originalBytes / events)} an event`;
  lines.push(`${bytes(storedBytes)} stored for ${bytes(originalBytes)} of events${each}`);
  return lines;
}

function markText({ position, storedAt, type }: EventMark): string {
  return `${integer(position)}  stored ${moment(storedAt)} UTC  ${clean(type)}`;
}

function ranking(look: Look, title: string, { top, distinct, others }: Ranking): string[] {
  const rows = top.map(({ name, events }) => [clean(name), events, integer(events)] as const);
  return [
    paint(look, 'bold', `${title} (${integer(distinct)})`),
    ...bars(look, rows),
    ...(others > 0 ? [`  … and ${counted(others, 'event')} of others`] : []),
  ];
}

function overTime(look: Look, { overTime: { bucketMs, buckets } }: Stats): string[] {
  const together = Math.ceil(buckets.length / ROWS);
  const rows = Array.from({ length: Math.ceil(buckets.length / together) }, (_, row) => {
    const part = buckets.slice(row * together, (row + 1) * together);
    const events = part.reduce((sum, bucket) => sum + bucket.events, 0);
    return [moment(part[0]!.from), events, integer(events)] as const;
  });
  return [paint(look, 'bold', `over time (UTC, ${milliseconds(bucketMs * together)} a line)`), ...bars(look, rows)];
}
