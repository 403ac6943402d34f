import { createHash } from 'node:crypto';
import { expected, TelltaleError } from '../errors.ts';
import { parsePattern } from '../event/pattern.ts';
import type { Place } from '../event/place.ts';
import { checkType } from '../event/type-name.ts';
import { compileFilter } from '../filter/compile.ts';
import type { Filter } from '../filter/language.ts';
import { mustKnow } from '../parse-options.ts';
import { checkPlace } from './resolve-place.ts';

/** Which stored events are meant. All conditions must hold; none means all events. */
export interface Selection {
  /** Over types: `task.*`. Reserved types need a pattern that names them: `$bus.**`. */
  readonly pattern?: string;
  /** One type or several, exactly. */
  readonly type?: string | readonly string[];
  /** `kind/id`, or `kind/*` for every entity of the kind. */
  readonly entity?: string;
  readonly correlationId?: string;
  readonly where?: Filter;
  /** From here, inclusive. Times mean the event's own `time`. */
  readonly from?: Place;
  /** From behind here; excludes `from`. */
  readonly after?: Place;
  /** Up to here, inclusive. @default the newest event at the call */
  readonly to?: Place;
  /** Ends a long read with `ABORTED`. */
  readonly signal?: AbortSignal;
}

export interface QueryOptions extends Selection {
  /**
   * By time costs a look at every event of the window for each page, in memory for one page.
   * @default 'position'
   */
  readonly order?: 'position' | 'time';
  /** @default 'forward' */
  readonly direction?: 'forward' | 'backward';
  /** Events of one page, 1 to 10,000; where given, iteration ends after as many. @default 100 */
  readonly limit?: number;
  /** From the page before, of the same query. */
  readonly cursor?: string;
}

/** A query that has been checked. */
export interface ParsedQuery {
  /** All conditions in one; `undefined` when there are none. */
  readonly where: Filter | undefined;
  readonly from: Place | undefined;
  readonly after: Place | undefined;
  readonly to: Place | undefined;
  readonly byTime: boolean;
  readonly backward: boolean;
  readonly limit: number | undefined;
  readonly cursor: string | undefined;
  readonly signal: AbortSignal | undefined;
  /** The same for the same question, whatever its limit and cursor. */
  readonly fingerprint: string;
}

export const MAX_LIMIT = 10_000;

const SELECTION = ['pattern', 'type', 'entity', 'correlationId', 'where', 'from', 'after', 'to', 'signal'];
const PAGING = ['order', 'direction', 'limit', 'cursor'];

/** Throws `INVALID_QUERY` and what its parts throw (`INVALID_PATTERN`, `INVALID_TYPE`, `INVALID_FILTER` …). */
export function parseQuery(options: QueryOptions = {}, callee = 'query'): ParsedQuery {
  checkKeys(options, [...SELECTION, ...PAGING], callee);
  const { from, after, to, order, direction, limit, cursor, signal } = options;
  oneOf(order, 'order', ['position', 'time']);
  oneOf(direction, 'direction', ['forward', 'backward']);
  if (limit !== undefined && !(Number.isInteger(limit) && limit >= 1 && limit <= MAX_LIMIT))
    throw expected('INVALID_QUERY', '`limit`', `an integer from 1 to ${MAX_LIMIT}`, limit);
  if (cursor !== undefined && typeof cursor !== 'string')
    throw expected('INVALID_CURSOR', '`cursor`', 'the cursor of the page before', cursor);
  if (from !== undefined && after !== undefined)
    throw new TelltaleError(
      'INVALID_QUERY',
      'expected `from` or `after`, got both: one includes its place, the other does not',
    );
  const where = filterOf(options);
  for (const [name, place] of Object.entries({ from, after, to })) if (place !== undefined) checkPlace(place, name);
  return {
    where,
    from,
    after,
    to,
    byTime: order === 'time',
    backward: direction === 'backward',
    limit,
    cursor,
    signal,
    fingerprint: fingerprintOf({ where, from, after, to, order, direction }),
  };
}

/** Throws as `parseQuery` does, and for the options of paging. */
export function parseSelection(options: Selection = {}, callee = 'count'): ParsedQuery {
  checkKeys(options, SELECTION, callee);
  return parseQuery(options, callee);
}

function checkKeys(options: unknown, known: readonly string[], name: string): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw expected('INVALID_QUERY', `the argument of \`${name}\``, 'an object of options', options);
  mustKnow(options, known, name, 'INVALID_QUERY');
}

function oneOf(value: unknown, name: string, known: readonly string[]): void {
  if (value === undefined || known.includes(value as string)) return;
  throw expected('INVALID_QUERY', `\`${name}\``, known.map((word) => `'${word}'`).join(' or '), value);
}

function filterOf({ pattern, type, entity, correlationId, where }: Selection): Filter | undefined {
  const conditions: Filter[] = [];
  if (pattern !== undefined) conditions.push({ type: parsePattern(pattern).text });
  if (type !== undefined) conditions.push({ type: { $in: (Array.isArray(type) ? type : [type]).map(checkType) } });
  if (entity !== undefined) conditions.push({ entity: text(entity, 'entity') });
  if (correlationId !== undefined) conditions.push({ correlationId: text(correlationId, 'correlationId') });
  if (where !== undefined) {
    compileFilter(where);
    conditions.push(where);
  }
  return conditions.length > 1 ? { $and: conditions } : conditions[0];
}

function text(value: unknown, name: string): string {
  if (typeof value === 'string') return value;
  throw expected('INVALID_QUERY', `\`${name}\``, 'a string', value);
}

function fingerprintOf(question: object): string {
  const sorted = JSON.stringify(question, (_key, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
  return createHash('sha256').update(sorted).digest('base64url').slice(0, 16);
}
