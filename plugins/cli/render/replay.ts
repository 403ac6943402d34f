import type { ReplayPreview, StoredEvent } from '../../../lib/index.ts';
import { counted, integer, milliseconds, moment } from './figures.ts';
import { bars } from './table.ts';
import { clean, cut, paint } from './text.ts';
import type { Look } from './text.ts';

const TYPES = 20;
const RANGES = 3;

/** What `telltale replay <folder> --dry-run` says. */
export function previewLines(look: Look, folder: string, preview: ReplayPreview, speed: string | number): string[] {
  const { events, byType, removed, tookMs } = preview;
  const lines = [
    paint(look, 'bold', cut(`replay of ${clean(folder)} (dry run: nothing is told)`, look.width)),
    `  ${counted(events, 'event')}${windowText(preview)}`,
    ...(events > 0 ? [`  ${durationText(preview, speed)} (read in ${milliseconds(tookMs)})`] : []),
    ...removed
      .slice(0, RANGES)
      .map(({ from, to, reason, at }) =>
        cut(`  gone: positions ${from} to ${to} since ${moment(at)} UTC (${clean(reason)})`, look.width),
      ),
    ...(removed.length > RANGES ? [`  … and ${counted(removed.length - RANGES, 'removed range')} more`] : []),
  ];
  if (events === 0) return lines;
  const shown = byType.slice(0, TYPES);
  const rest = byType.slice(TYPES).reduce((sum, { count }) => sum + count, 0);
  return [
    ...lines,
    '',
    paint(look, 'bold', `by type (${integer(byType.length)})`),
    ...bars(
      look,
      shown.map(({ type, count }) => [clean(type), count, integer(count)] as const),
    ),
    ...(rest > 0 ? [`  … and ${counted(rest, 'event')} of others`] : []),
  ];
}

/** One event on one line. */
export function eventLine(look: Look, { position, time, type, payload }: StoredEvent): string {
  const begin = JSON.stringify(payload).slice(0, 2 * look.width);
  return cut(`${String(position).padStart(8)}  ${moment(time)}  ${clean(type)}  ${clean(begin)}`, look.width);
}

function windowText({ first, last }: ReplayPreview): string {
  if (first === undefined || last === undefined) return '';
  const [from, to] = [moment(first.time), moment(last.time)];
  return `, positions ${integer(first.position)} to ${integer(last.position)}\n  ${from} to ${to} UTC`;
}

function durationText({ durationMs }: ReplayPreview, speed: string | number): string {
  if (speed === 'max') return 'at max: as fast as handlers are';
  const name = speed === 'original' ? 'the original speed' : `${speed} times the original speed`;
  return `at ${name}: ${milliseconds(durationMs)} of waits`;
}
