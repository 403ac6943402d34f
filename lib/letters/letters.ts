import { expected } from '../errors.ts';
import { mustKnow } from '../parse-options.ts';
import { parseRetry, type RetryOptions } from '../retry.ts';
import type { Found, Letter } from './letter.ts';
import type { Retrier, RetryReport } from './retrier.ts';
import { parseLetterSelection, type LetterQuery, type LetterSelection } from './selection.ts';
import type { Shelf } from './shelf.ts';

/** One letter, several, or all that a selection names. */
export type WhichLetters = string | readonly string[] | LetterSelection;

export interface RetryLettersOptions {
  /** At most this many letters. @default 1000 */
  readonly limit?: number;
  /** Letters under way at a time. @default 16 */
  readonly concurrency?: number;
  /** Tries each letter more than once in this call, with growing pauses. @default once */
  readonly retry?: RetryOptions | number | boolean;
  /** Begins no further letters once it is aborted. */
  readonly signal?: AbortSignal;
}

export interface DiscardLettersOptions {
  /** Why: kept with the letter. */
  readonly reason?: string;
  /** At most this many letters. @default 1000 */
  readonly limit?: number;
}

export interface DiscardReport {
  readonly discarded: number;
  /** Settled, being tried, or not known. */
  readonly skipped: number;
  /** The limit was reached, and there are more. */
  readonly more: boolean;
}

export interface LettersPort {
  readonly shelf: Shelf;
  readonly retrier: Retrier;
  /** What was emitted so far is in the log, as far as the store takes it. */
  readonly written: () => Promise<unknown>;
}

/** What could not be delivered, stored or admitted, and what is done about it. */
export interface DeadLetterBox {
  /** The letters, newest first; the open ones unless `state` says otherwise. Waits for those that are being opened. */
  list(query?: LetterQuery): Promise<readonly Letter[]>;
  get(id: string): Promise<Letter | undefined>;
  /**
   * Tries letters again, oldest first: their events go to the subscriptions they were meant for and to nobody else;
   * what was refused or not stored is published again with its id. A letter is closed when that succeeds, and stays open
   * with the failed attempt noted when it does not. At least once: after a crash in between, it is tried once more.
   * Rejects with `INVALID_OPTION`, `STORE_READ_ONLY`, `STORE_BACKLOG_FULL`, `BUS_CLOSED`; failures of handlers and
   * `RETRY_IMPOSSIBLE` are in the report.
   */
  retry(which: WhichLetters, options?: RetryLettersOptions): Promise<RetryReport>;
  /** Settles letters without delivering them. */
  discard(which: WhichLetters, options?: DiscardLettersOptions): Promise<DiscardReport>;
}

const LIMIT = 1_000;
const MAX_CONCURRENCY = 1_000;

/** What a bus answers as `deadLetters`. Options are checked before anything is done. */
export function createLetters({ shelf, retrier, written }: LettersPort): DeadLetterBox {
  return {
    list: async (query) => {
      // What was just done waits for its event, whose position it names.
      await written();
      return shelf.list(query);
    },
    get: async (id) => (await shelf.find(id))?.letter,
    retry: async (which, options = {}) => {
      const terms = parseRetryOptions(options);
      const letters = lettersOf(which, 'deadLetters.retry');
      await written();
      return retrier.run(letters(shelf), terms);
    },
    discard: async (which, options = {}) => {
      const { limit, reason } = parseDiscard(options);
      const letters = lettersOf(which, 'deadLetters.discard');
      await written();
      return discard(letters(shelf), retrier, limit, reason);
    },
  };
}

async function discard(
  letters: AsyncIterable<Found>,
  retrier: Retrier,
  limit: number,
  reason: string | undefined,
): Promise<DiscardReport> {
  let discarded = 0;
  let skipped = 0;
  for await (const found of letters) {
    if (discarded === limit) return { discarded, skipped, more: true };
    if (await retrier.discard(found, reason)) discarded++;
    else skipped++;
  }
  return { discarded, skipped, more: false };
}

function lettersOf(which: WhichLetters, callee: string): (shelf: Shelf) => AsyncIterable<Found> {
  const ids = typeof which === 'string' ? [which] : which;
  if (!Array.isArray(ids)) {
    const selection = parseLetterSelection(ids as LetterSelection, callee);
    return (shelf) => shelf.select(selection);
  }
  const stray = (ids as readonly unknown[]).find((id) => typeof id !== 'string');
  if (stray !== undefined) throw expected('INVALID_OPTION', `an id given to \`${callee}\``, 'a string', stray);
  return (shelf) => findAll(shelf, new Set(ids as readonly string[]));
}

async function* findAll(shelf: Shelf, ids: Iterable<string>): AsyncGenerator<Found, void, undefined> {
  for (const id of ids) yield (await shelf.find(id)) ?? unknownLetter(id);
}

// Whoever looks at its state leaves it alone.
const unknownLetter = (id: string): Found => ({ letter: { id, state: 'closed' } as Letter, opened: 0 });

function parseRetryOptions(options: RetryLettersOptions): Parameters<Retrier['run']>[1] {
  mustKnow(options, ['limit', 'concurrency', 'retry', 'signal'], 'deadLetters.retry');
  const { limit = LIMIT, concurrency = 16, retry, signal } = options;
  if (signal !== undefined && !(signal instanceof AbortSignal))
    throw expected('INVALID_OPTION', '`signal` of `deadLetters.retry`', 'an AbortSignal', signal);
  return {
    limit: countFrom(limit, 'limit', 'deadLetters.retry'),
    concurrency: countFrom(concurrency, 'concurrency', 'deadLetters.retry', MAX_CONCURRENCY),
    policy: parseRetry(retry),
    signal,
  };
}

function parseDiscard(options: DiscardLettersOptions): { readonly limit: number; readonly reason: string | undefined } {
  mustKnow(options, ['reason', 'limit'], 'deadLetters.discard');
  const { limit = LIMIT, reason } = options;
  if (reason !== undefined && !(typeof reason === 'string' && reason.length <= 1_000))
    throw expected('INVALID_OPTION', '`reason` of `deadLetters.discard`', 'a text of at most 1,000 characters', reason);
  return { limit: countFrom(limit, 'limit', 'deadLetters.discard'), reason };
}

function countFrom(value: number, name: string, callee: string, most = Infinity): number {
  if ((Number.isInteger(value) || value === Infinity) && value >= 1 && value <= most) return value;
  const range = most === Infinity ? 'an integer from 1' : `an integer from 1 to ${most}`;
  throw expected('INVALID_OPTION', `\`${name}\` of \`${callee}\``, range, value);
}
