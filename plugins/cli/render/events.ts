import type { StoredEvent } from '../../../lib/plugin.ts';
import { moment } from './figures.ts';
import { table } from './table.ts';
import { clean, cut } from './text.ts';
import type { Look } from './text.ts';
import { isWithoutTime } from './tree.ts';

const DAY = 10;
const TYPE = 26;
const ENTITY = 16;

/** One line an event: where, when, what, about what, and the beginning of its payload. */
export function eventTable(look: Look, events: readonly StoredEvent[]): string[] {
  const days = new Set(events.filter((event) => !isWithoutTime(event)).map(({ time }) => moment(time).slice(0, DAY)));
  const oneDay = days.size === 1;
  const withEntity = events.some(({ entity }) => entity !== undefined);
  const columns = [
    { title: 'position', align: 'right' },
    { title: oneDay ? `${[...days][0]} UTC` : 'time, UTC' },
    { title: 'type' },
    ...(withEntity ? [{ title: 'entity' }] : []),
    { title: 'payload', shrink: 'end' },
  ] as const;
  const rows = events.map((event) => [
    String(event.position),
    whenText(event, oneDay),
    cut(clean(event.type), TYPE),
    ...(withEntity ? [cut(clean(event.entity ?? ''), ENTITY)] : []),
    payloadText(event.payload, look.width),
  ]);
  return table(look, columns, rows);
}

/** `12:00:00.123` where all is of one day, otherwise the second. */
function whenText(event: StoredEvent, oneDay: boolean): string {
  if (isWithoutTime(event)) return 'none';
  const date = new Date(event.time);
  if (!oneDay || Number.isNaN(date.getTime())) return moment(event.time);
  return date.toISOString().slice(DAY + 1, -1);
}

// The table measures what it cuts, so a payload of megabytes is cut first.
function payloadText(payload: unknown, width: number): string {
  return clean(JSON.stringify(payload).slice(0, 2 * width)).slice(0, 2 * width);
}
