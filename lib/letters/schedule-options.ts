import { toMs, type Duration } from '../duration.ts';
import { expected } from '../errors.ts';
import type { Filter } from '../filter/language.ts';
import { mustKnow } from '../parse-options.ts';
import { parseRetry, type RetryOptions } from '../retry.ts';
import type { RetrySchedule } from './schedule.ts';
import { parseLetterSelection } from './selection.ts';

/** How dead letters are tried again in the background. */
export interface RetryScheduleOptions extends Omit<RetryOptions, 'jitter'> {
  /** Pause between two rounds, from the end of one to the beginning of the next. @default '1m' */
  readonly every?: Duration;
  /** Retries before a letter is abandoned, an integer from 1. @default 5 */
  readonly attempts?: number;
  /** Before the first retry; each further pause is `factor` times as long. @default as `every` */
  readonly delay?: Duration;
  /** @default '1h' */
  readonly maxDelay?: Duration;
  /** Over the letter as the payload of its event. @default all but those with the reason `refused` */
  readonly where?: Filter;
  /** Retries of one round. @default 1000 */
  readonly limit?: number;
  /** Letters under way at a time. @default 16 */
  readonly concurrency?: number;
}

/** What a bus does about its dead letters by itself. */
export interface DeadLetterOptions {
  /** `true`: every minute, 5 times. @default false */
  readonly retry?: boolean | RetryScheduleOptions;
}

const KEYS = ['every', 'attempts', 'delay', 'factor', 'maxDelay', 'where', 'limit', 'concurrency'];

// What was refused is refused again, or would be stored in another form than it was given.
const NOT_REFUSED: Filter = { 'payload.reason': { $ne: 'refused' } };

/** Throws `INVALID_OPTION`, `INVALID_DURATION`, `INVALID_FILTER`, `INVALID_PATH`. */
export function parseDeadLetters(given: DeadLetterOptions = {}): { readonly retry: RetrySchedule | undefined } {
  mustKnow(given, ['retry'], 'createBus: deadLetters');
  const { retry } = given;
  if (retry === undefined || retry === false) return { retry: undefined };
  if (retry === true) return { retry: parseSchedule({}) };
  if (typeof retry !== 'object' || retry === null)
    throw expected('INVALID_OPTION', '`deadLetters.retry`', 'an object or a boolean', retry);
  return { retry: parseSchedule(retry) };
}

function parseSchedule(given: RetryScheduleOptions): RetrySchedule {
  mustKnow(given, KEYS, 'deadLetters.retry');
  const { every = '1m', attempts = 5, delay = every, factor = 2, maxDelay = '1h', where = NOT_REFUSED } = given;
  const { limit = 1_000, concurrency = 16 } = given;
  const everyMs = toMs(every, 'deadLetters.retry.every');
  if (everyMs === 0) throw expected('INVALID_OPTION', '`deadLetters.retry.every`', 'longer than 0 ms', every);
  for (const [name, value] of Object.entries({ limit, concurrency }))
    if (!(Number.isInteger(value) && value >= 1))
      throw expected('INVALID_OPTION', `\`deadLetters.retry.${name}\``, 'an integer from 1', value);
  parseLetterSelection({ where }, 'deadLetters.retry');
  const policy = parseRetry({ attempts, delay, factor, maxDelay, jitter: 0 })!;
  return { everyMs, policy, selection: { where }, limit, concurrency };
}
