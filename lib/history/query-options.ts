import { createHash } from 'node:crypto';
import { expected } from '../errors.ts';
import { parseSelection, type ParsedSelection, type Selection } from '../store/read/selection.ts';

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
export interface ParsedQuery extends ParsedSelection {
  readonly byTime: boolean;
  readonly backward: boolean;
  readonly limit: number | undefined;
  readonly cursor: string | undefined;
  /** The same for the same question, whatever its limit and cursor. */
  readonly fingerprint: string;
}

export const MAX_LIMIT = 10_000;

/** Throws `INVALID_QUERY` and what its parts throw (`INVALID_PATTERN`, `INVALID_TYPE`, `INVALID_FILTER` …). */
export function parseQuery(options: QueryOptions = {}): ParsedQuery {
  const selection = parseSelection(options, 'query', ['order', 'direction', 'limit', 'cursor']);
  const { order, direction, limit, cursor } = options;
  oneOf(order, 'order', ['position', 'time']);
  oneOf(direction, 'direction', ['forward', 'backward']);
  if (limit !== undefined && !(Number.isInteger(limit) && limit >= 1 && limit <= MAX_LIMIT))
    throw expected('INVALID_QUERY', '`limit`', `an integer from 1 to ${MAX_LIMIT}`, limit);
  if (cursor !== undefined && typeof cursor !== 'string')
    throw expected('INVALID_CURSOR', '`cursor`', 'the cursor of the page before', cursor);
  const { where, from, after, to } = selection;
  return {
    ...selection,
    byTime: order === 'time',
    backward: direction === 'backward',
    limit,
    cursor,
    fingerprint: fingerprintOf({ where, from, after, to, order, direction }),
  };
}

function oneOf(value: unknown, name: string, known: readonly string[]): void {
  if (value === undefined || known.includes(value as string)) return;
  throw expected('INVALID_QUERY', `\`${name}\``, known.map((word) => `'${word}'`).join(' or '), value);
}

function fingerprintOf(question: object): string {
  const sorted = JSON.stringify(question, (_key, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
  return createHash('sha256').update(sorted).digest('base64url').slice(0, 16);
}
