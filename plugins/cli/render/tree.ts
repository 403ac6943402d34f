import type { StoredEvent } from '../../../lib/plugin.ts';
import { milliseconds } from './figures.ts';
import { clean, cut, pad, paint, widthOf } from './text.ts';
import type { Look } from './text.ts';

interface Row {
  readonly event: StoredEvent;
  readonly prefix: string;
  /** What stands below the row, before a further line about the same event. */
  readonly below: string;
}

interface Drawing {
  readonly lines: readonly string[];
  /** Events there was no line for. */
  readonly hidden: readonly StoredEvent[];
}

const DEAD_LETTER = '$dead-letter.opened';
const DEEPEST = 8;
const INDENT = 2;
const TIME_WIDTH = 11;

/** Failures as the log tells them: a type that ends in `.failed`, or a dead letter. */
export function isFailure({ type }: { readonly type: string }): boolean {
  return type.endsWith('.failed') || isDeadLetter({ type });
}

export function isDeadLetter({ type }: { readonly type: string }): boolean {
  return type === DEAD_LETTER;
}

/** Whether the log was taken in from a recorded one that gave this event no time. */
export function isWithoutTime({ metadata }: StoredEvent): boolean {
  return metadata['timeMissing'] === true;
}

/** One line an event: type under its cause, source, and how long after the first event. Failures say their reason. */
export function drawTree(look: Look, events: readonly StoredEvent[], limit: number): Drawing {
  const all = rows(events);
  const shown = all.slice(0, limit);
  const began = Math.min(...events.filter((event) => !isWithoutTime(event)).map(({ time }) => time));
  const name = Math.min(
    look.width - 30 - INDENT,
    Math.max(0, ...shown.map(({ prefix, event }) => widthOf(prefix) + widthOf(label(event)))),
  );
  const source = Math.max(0, look.width - INDENT - name - TIME_WIDTH - 4);
  const lines = shown.flatMap((row) => {
    const { event, prefix, below } = row;
    const text = pad(cut(prefix + label(event), name), name);
    const from = pad(cut(clean(event.source), source, 'end'), source);
    const after = isWithoutTime(event) ? 'no time' : milliseconds(event.time - began);
    const line = `${paintLabel(look, event, prefix, text)}  ${paint(look, 'dim', from)}  ${pad(after, TIME_WIDTH, 'right')}`;
    const reason = isFailure(event) ? failureOf(event) : '';
    if (reason === '') return [line.trimEnd()];
    return [
      line.trimEnd(),
      `${below}  ${paint(look, 'red', cut(clean(reason), look.width - INDENT - widthOf(below) - 2))}`,
    ];
  });
  return { lines, hidden: all.slice(limit).map(({ event }) => event) };
}

function label(event: StoredEvent): string {
  if (isDeadLetter(event)) return '✗ dead letter';
  return isFailure(event) ? `✗ ${clean(event.type)}` : clean(event.type);
}

function paintLabel(look: Look, event: StoredEvent, prefix: string, text: string): string {
  return isFailure(event) ? prefix + paint(look, 'red', text.slice(prefix.length)) : text;
}

/** Every event once, under its cause. Without recursion: a chain of causes may be as long as it likes. */
function rows(events: readonly StoredEvent[]): Row[] {
  const children = childrenOf(events);
  const known = new Set(events.map(({ id }) => id));
  const roots = events.filter(
    ({ id, causationId }) => causationId === undefined || causationId === id || !known.has(causationId),
  );
  const done = new Set<string>();
  const drawn: Row[] = [];
  const draw = (root: StoredEvent): void => {
    const stack = [{ event: root, prefix: '', below: '', depth: 0 }];
    for (let next = stack.pop(); next; next = stack.pop()) {
      const { event, below, depth } = next;
      if (done.has(event.id)) continue;
      done.add(event.id);
      drawn.push(next);
      const under = (children.get(event.id) ?? []).toSorted(byTime).toReversed();
      under.forEach((child, index) => stack.push(place(child, below, depth + 1, index === 0)));
    }
  };
  roots.toSorted(byTime).forEach(draw);
  // What is left names each other as causes, which only a damaged or invented log does.
  events.filter(({ id }) => !done.has(id)).forEach((event) => done.has(event.id) || draw(event));
  return drawn;
}

function place(event: StoredEvent, above: string, depth: number, last: boolean) {
  if (depth > DEEPEST) return { event, depth, prefix: `${above}${depth} › `, below: above };
  return { event, depth, prefix: `${above}${last ? '└─ ' : '├─ '}`, below: `${above}${last ? '   ' : '│  '}` };
}

function childrenOf(events: readonly StoredEvent[]): ReadonlyMap<string, StoredEvent[]> {
  const children = new Map<string, StoredEvent[]>();
  for (const event of events) {
    const { causationId } = event;
    if (causationId === undefined) continue;
    const siblings = children.get(causationId);
    if (siblings) siblings.push(event);
    else children.set(causationId, [event]);
  }
  return children;
}

function byTime(a: StoredEvent, b: StoredEvent): number {
  return Number(isWithoutTime(a)) - Number(isWithoutTime(b)) || a.time - b.time || a.position - b.position;
}

/** Why it failed: for a dead letter of a handler also which handler it was. */
export function failureOf({ type, payload }: StoredEvent): string {
  const reason = reasonOf(payload);
  if (!isDeadLetter({ type })) return reason;
  const { reason: category, recipient } = payload as { readonly reason?: unknown; readonly recipient?: unknown };
  return category === 'handler-failed' && typeof recipient === 'string' ? `handler of ${recipient}: ${reason}` : reason;
}

/** The first of a payload's usual places for a reason, as one line; empty where there is none. */
export function reasonOf(payload: unknown): string {
  if (typeof payload === 'string') return payload;
  if (typeof payload !== 'object' || payload === null) return '';
  const fields = payload as Readonly<Record<string, unknown>>;
  for (const key of ['reason', 'error', 'message', 'text', 'tags']) {
    // A dead letter's reason is a category; its error says what happened.
    if (key === 'reason' && typeof fields['error'] === 'object') continue;
    const reason = Object.hasOwn(fields, key) ? reasonOf(fields[key]) : '';
    if (reason !== '') return reason;
  }
  return '';
}
