import { expected } from '../errors.ts';
import type { TelltaleEvent } from '../event/event.ts';
import { matchesPattern, parsePattern } from '../event/pattern.ts';
import type { Place } from '../event/place.ts';
import { compileFilter } from '../filter/compile.ts';
import type { Filter } from '../filter/language.ts';
import { mustKnow } from '../parse-options.ts';
import { LETTER_OPENED, letterEntity, type DeadLetter, type LetterReason, type LetterState } from '../store/letter.ts';
import { checkPlace } from '../store/read/resolve-place.ts';

/** Which letters are meant. All conditions must hold. */
export interface LetterSelection {
  /** @default 'open' */
  readonly state?: LetterState | 'all';
  readonly reason?: LetterReason | readonly LetterReason[];
  /** Over the types of the events: `task.*`. */
  readonly pattern?: string;
  /** Who it was meant for, exactly: the pattern of a subscription, `consumer:` or `actor:` and a name. */
  readonly recipient?: string;
  readonly correlationId?: string;
  /** Over the letter as the payload of its event: `{ 'payload.error.code': 'MAILBOX_FULL' }`. */
  readonly where?: Filter;
  /** Opened from here, inclusive. Times mean the time of the failure. */
  readonly from?: Place;
  /** Opened up to here, inclusive. @default the newest */
  readonly to?: Place;
}

export interface LetterQuery extends LetterSelection {
  /** At most this many, newest first; 1 to 10,000. @default 100 */
  readonly limit?: number;
  /** The id of a letter: those older than it, for the next page. */
  readonly before?: string;
}

export interface ParsedLetterSelection {
  readonly state: LetterState | 'all';
  /** Over the event that opened the letter. */
  readonly where: Filter | undefined;
  /** What a filter cannot say. */
  readonly accepts: (letter: DeadLetter) => boolean;
  readonly from: Place | undefined;
  readonly to: Place | undefined;
}

const KEYS = ['state', 'reason', 'pattern', 'recipient', 'correlationId', 'where', 'from', 'to'];
const STATES: readonly unknown[] = ['open', 'closed', 'abandoned', 'discarded', 'all'];
const REASONS: readonly unknown[] = ['handler-failed', 'mailbox-full', 'dropped', 'refused', 'not-stored', 'cut'];
const MAX_LIST = 10_000;

/**
 * Checks a selection; `more` are further keys of the call. Throws `INVALID_OPTION`, `INVALID_PATTERN`,
 * `INVALID_FILTER`, `INVALID_PATH`, `INVALID_PLACE`.
 */
export function parseLetterSelection(
  given: LetterSelection,
  callee: string,
  more: readonly string[] = [],
): ParsedLetterSelection {
  mustKnow(given, [...KEYS, ...more], callee);
  const { state = 'open', pattern, from, to } = given;
  mustBeOneOf(STATES, 'state', state, callee);
  for (const [name, place] of Object.entries({ from, to })) if (place !== undefined) checkPlace(place, name);
  const parsed = pattern === undefined ? undefined : parsePattern(pattern);
  return {
    state,
    where: filterOf(given, callee),
    accepts: ({ eventType }) => parsed === undefined || matchesPattern(parsed, eventType),
    from,
    to,
  };
}

/** Throws what `parseLetterSelection` throws. */
export function parseLetterQuery(
  given: LetterQuery,
): ParsedLetterSelection & { readonly limit: number; readonly before: string | undefined } {
  const parsed = parseLetterSelection(given, 'deadLetters.list', ['limit', 'before']);
  const { limit = 100, before } = given;
  if (!(Number.isInteger(limit) && limit >= 1 && limit <= MAX_LIST))
    throw expected('INVALID_OPTION', '`limit` of `deadLetters.list`', `an integer from 1 to ${MAX_LIST}`, limit);
  if (before !== undefined && typeof before !== 'string')
    throw expected('INVALID_OPTION', '`before` of `deadLetters.list`', 'the id of a letter', before);
  return { ...parsed, limit, before };
}

/** Does a letter that is in no log satisfy the filter? */
export function compileLetterFilter(where: Filter | undefined): (letter: DeadLetter) => boolean {
  if (where === undefined) return () => true;
  const matches = compileFilter(where);
  return (letter) => matches(asEvent(letter));
}

function asEvent(letter: DeadLetter): TelltaleEvent {
  const { id, time, correlationId } = letter;
  const entity = letterEntity(id);
  const stamp = { id, type: LETTER_OPENED, source: '', time, entity, correlationId, schemaVersion: 1 };
  return { ...stamp, payload: letter, metadata: {} };
}

function filterOf({ reason, recipient, correlationId, where }: LetterSelection, callee: string): Filter | undefined {
  const conditions: Filter[] = [];
  if (reason !== undefined) {
    const reasons = Array.isArray(reason) ? (reason as readonly LetterReason[]) : [reason];
    for (const each of reasons) mustBeOneOf(REASONS, 'reason', each, callee);
    conditions.push({ 'payload.reason': { $in: reasons } });
  }
  if (recipient !== undefined) conditions.push({ 'payload.recipient': text(recipient, 'recipient', callee) });
  if (correlationId !== undefined) conditions.push({ correlationId: text(correlationId, 'correlationId', callee) });
  if (where !== undefined) {
    compileFilter(where);
    conditions.push(where);
  }
  return conditions.length > 1 ? { $and: conditions } : conditions[0];
}

function mustBeOneOf(known: readonly unknown[], name: string, value: unknown, callee: string): void {
  if (known.includes(value)) return;
  throw expected('INVALID_OPTION', `\`${name}\` of \`${callee}\``, `one of ${known.join(', ')}`, value);
}

function text(value: unknown, name: string, callee: string): string {
  if (typeof value === 'string') return value;
  throw expected('INVALID_OPTION', `\`${name}\` of \`${callee}\``, 'a string', value);
}
