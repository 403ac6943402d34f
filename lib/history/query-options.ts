import { createHash } from 'node:crypto';
import { expected } from '../errors.ts';
import { parseSelection, type ParsedSelection, type Selection } from '../store/read/selection.ts';

/** Which part of an answer, and in which direction. */
export interface PagingOptions {
  readonly direction?: 'forward' | 'backward';
  /** Results of one page, 1 to 10,000; where given, iteration ends after as many. @default 100 */
  readonly limit?: number;
  /** From the page before, of the same question. */
  readonly cursor?: string;
}

export interface QueryOptions extends Selection, PagingOptions {
  /**
   * By time costs a look at every event of the window for each page, in memory for one page.
   * @default 'position'
   */
  readonly order?: 'position' | 'time';
  /** @default 'forward' */
  readonly direction?: 'forward' | 'backward';
}

export interface ParsedPaging {
  readonly backward: boolean;
  readonly limit: number | undefined;
  readonly cursor: string | undefined;
}

/** A query that has been checked. */
export interface ParsedQuery extends ParsedSelection, ParsedPaging {
  readonly byTime: boolean;
  /** The same for the same question, whatever its limit and cursor. */
  readonly fingerprint: string;
}

export const PAGING = ['direction', 'limit', 'cursor'];
export const MAX_LIMIT = 10_000;
export const DEFAULT_LIMIT = 100;

/** Throws `INVALID_QUERY` and what its parts throw (`INVALID_PATTERN`, `INVALID_TYPE`, `INVALID_FILTER` …). */
export function parseQuery(options: QueryOptions = {}): ParsedQuery {
  const selection = parseSelection(options, 'query', ['order', ...PAGING]);
  const { order } = options;
  oneOf(order, 'order', ['position', 'time']);
  const paging = parsePaging(options, 'forward');
  const { where, withoutReserved, from, after, to } = selection;
  const byTime = order === 'time';
  const fingerprint = fingerprintOf({ where, withoutReserved, from, after, to, byTime, backward: paging.backward });
  return { ...selection, ...paging, byTime, fingerprint };
}

/** Throws `INVALID_QUERY`, `INVALID_CURSOR`. */
export function parsePaging({ direction, limit, cursor }: PagingOptions, usual: 'forward' | 'backward'): ParsedPaging {
  oneOf(direction, 'direction', ['forward', 'backward']);
  if (limit !== undefined && !(Number.isInteger(limit) && limit >= 1 && limit <= MAX_LIMIT))
    throw expected('INVALID_QUERY', '`limit`', `an integer from 1 to ${MAX_LIMIT}`, limit);
  if (cursor !== undefined && typeof cursor !== 'string')
    throw expected('INVALID_CURSOR', '`cursor`', 'the cursor of the page before', cursor);
  return { backward: (direction ?? usual) === 'backward', limit, cursor };
}

/** A short text that is the same for the same question, however its keys are ordered. */
export function fingerprintOf(question: object): string {
  const sorted = JSON.stringify(question, (_key, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
  return createHash('sha256').update(sorted).digest('base64url').slice(0, 16);
}

function oneOf(value: unknown, name: string, known: readonly string[]): void {
  if (value === undefined || known.includes(value as string)) return;
  throw expected('INVALID_QUERY', `\`${name}\``, known.map((word) => `'${word}'`).join(' or '), value);
}
