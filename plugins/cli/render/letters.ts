import type { Letter, StoredEvent } from '../../../lib/index.ts';
import { counted, moment } from './figures.ts';
import { table } from './table.ts';
import { clean, cut, paint, wrap, type Look } from './text.ts';

const REASON = 14;
const SHORTEST_ID = 6;
/** Below it types and recipients give way, so that the error has some room. */
const WIDE = 100;
const PAYLOAD_LINES = 20;

/** One line a letter: when, why, what, for whom, how often it was tried, and what went wrong. */
export function letterTable(look: Look, letters: readonly Letter[]): string[] {
  const states = new Set(letters.map(({ state }) => state)).size > 1;
  const time = timeForm(letters);
  const widths = look.width < WIDE ? { type: 24 - time.width, recipient: 9 } : { type: 20, recipient: 12 };
  const columns = [
    { title: 'id' },
    { title: time.title },
    { title: states ? 'state' : 'reason' },
    { title: 'type' },
    { title: 'for' },
    { title: 'tries', align: 'right' },
    { title: 'error', shrink: 'end' },
  ] as const;
  const ends = endsOf(letters.map(({ id }) => id));
  const rows = letters.map((letter, i) => [
    ends[i]!,
    time.text(letter),
    cut(states ? letter.state : letter.reason, REASON),
    cut(clean(letter.eventType), widths.type),
    cut(clean(letter.recipient ?? '–'), widths.recipient),
    String(letter.attempts + letter.retries),
    clean(lastError(letter)).slice(0, 2 * look.width),
  ]);
  return table(look, columns, rows);
}

/** The time of day, and the day where there are several. */
function timeForm(letters: readonly Letter[]): { title: string; width: number; text: (letter: Letter) => string } {
  const days = new Set(letters.map(({ time }) => moment(time).slice(0, 10)));
  if (days.size > 1) return { title: 'time, UTC', width: 11, text: ({ time }) => moment(time).slice(5, 16) };
  return { title: 'UTC', width: 8, text: ({ time }) => moment(time).slice(11) };
}

// Letters of one moment begin with the same: ids differ at their end.
function endsOf(ids: readonly string[]): readonly string[] {
  let length = SHORTEST_ID;
  while (length < 36 && new Set(ids.map((id) => id.slice(-length))).size < ids.length) length++;
  return ids.map((id) => id.slice(-length));
}

/** All that is known of one letter, and how to go on. */
export function letterLines(look: Look, letter: Letter, event: StoredEvent | undefined, discard: string): string[] {
  const { id, reason, state, eventType, eventId, position, recipient, group, correlationId, count } = letter;
  const where = position === undefined ? 'not in the log' : `position ${position}`;
  const fields: readonly (readonly [string, string | undefined])[] = [
    ['letter', id],
    ['time', `${moment(letter.time)} UTC`],
    ['reason', reason],
    ['event', eventId === '' ? where : `${eventId} (${where})`],
    ['for', recipient === undefined ? undefined : `${recipient}${group === undefined ? '' : `, group ${group}`}`],
    ['correlation', correlationId === '' ? undefined : correlationId],
    ['stands for', count > 1 ? counted(count, 'event') : undefined],
    ['attempts', `${letter.attempts} before, ${letter.retries} since`],
  ];
  return [
    paint(look, state === 'open' ? 'red' : 'bold', `${clean(eventType)}: ${state}`),
    ...fields.flatMap(([name, value]) => (value === undefined ? [] : [`  ${name.padEnd(12)} ${clean(value)}`])),
    '',
    paint(look, 'bold', 'error'),
    ...errorLines(look, letter),
    ...historyLines(look, letter),
    '',
    paint(look, 'bold', 'payload'),
    ...payloadLines(look, letter, event),
    '',
    ...nextLines(letter, discard),
  ];
}

function lastError({ error, history }: Letter): string {
  const last = history.findLast((entry) => entry.error !== undefined)?.error ?? error;
  return last.code === undefined ? last.message : `${last.code}: ${last.message}`;
}

function errorLines(look: Look, { error }: Letter): string[] {
  const code = error.code === undefined ? '' : ` (${error.code})`;
  return wrap(clean(`${error.name}: ${error.message}${code}`), look.width - 2, 6).map((line) => `  ${line}`);
}

function historyLines(look: Look, { history }: Letter): string[] {
  if (history.length === 0) return [];
  const lines = history.map(({ what, time, attempt, error, reason }) => {
    const which = attempt === undefined ? '' : ` (retry ${attempt})`;
    const why = reason ?? error?.message;
    return cut(`  ${moment(time)}  ${what}${which}${why === undefined ? '' : `: ${clean(why)}`}`, look.width);
  });
  return ['', paint(look, 'bold', 'since then'), ...lines];
}

function payloadLines(look: Look, { escaped, position }: Letter, event: StoredEvent | undefined): string[] {
  if (event === undefined && escaped === undefined) return [`  removed from the log (position ${position})`];
  const text = event === undefined ? pretty(escaped!) : JSON.stringify(event.payload, undefined, 2);
  const lines = text.split('\n');
  const more = lines.length - PAYLOAD_LINES;
  return [
    ...lines.slice(0, PAYLOAD_LINES).map((line) => `  ${cut(clean(line), look.width - 2)}`),
    ...(more > 0 ? [`  … and ${counted(more, 'more line')} (--json shows all)`] : []),
  ];
}

// What is kept of a large event is cut somewhere.
function pretty(escaped: string): string {
  try {
    return JSON.stringify((JSON.parse(escaped) as { readonly payload?: unknown }).payload ?? null, undefined, 2);
  } catch {
    return escaped;
  }
}

function nextLines({ id, state }: Letter, discard: string): string[] {
  if (state === 'closed' || state === 'discarded') return [];
  return [
    'to try it again, in the program that has the handlers:',
    `  await bus.deadLetters.retry('${id}')`,
    'to settle it without:',
    `  ${discard} --because <text>`,
  ];
}
