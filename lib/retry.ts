import { toMs, type Duration } from './duration.ts';
import { expected } from './errors.ts';
import { isOptions, unknownOption } from './parse-options.ts';

/** How often and how soon a failed handler is tried again. */
export interface RetryOptions {
  /** All attempts, the first one too. An integer from 1. @default 3 */
  readonly attempts?: number;
  /** Before the second attempt. @default '100ms' */
  readonly delay?: Duration;
  /** Each further delay is the one before times this, from 1. @default 2 */
  readonly factor?: number;
  /** No delay is longer, jitter aside. @default '30s' */
  readonly maxDelay?: Duration;
  /** Share by which a delay is made longer or shorter at random, 0 to 1. @default 0.2 */
  readonly jitter?: number;
}

/** Parsed retry options. */
export interface RetryPolicy {
  readonly attempts: number;
  readonly delayMs: number;
  readonly factor: number;
  readonly maxDelayMs: number;
  readonly jitter: number;
}

const DEFAULTS = { attempts: 3, delay: '100ms', factor: 2, maxDelay: '30s', jitter: 0.2 } as const;

/**
 * `true` is the defaults, a number is `attempts`, `false` or undefined is no retry; `name` is how the option is called.
 * Throws `INVALID_OPTION`, `INVALID_DURATION`.
 */
export function parseRetry(
  option: RetryOptions | number | boolean | undefined,
  name = 'retry',
): RetryPolicy | undefined {
  if (option === undefined || option === false) return undefined;
  const given = option === true ? {} : typeof option === 'number' ? { attempts: option } : option;
  refuseUnknown(given, name);
  const check = (key: string, ...terms: Check): number => checked(`${name}.${key}`, ...terms);
  const { attempts, delay, factor, maxDelay, jitter } = { ...DEFAULTS, ...withoutUndefined(given) };
  return Object.freeze({
    attempts: check('attempts', attempts, 'an integer from 1', attempts === Infinity || Number.isInteger(attempts), 1),
    delayMs: toMs(delay, `${name}.delay`),
    factor: check('factor', factor, 'a number from 1', Number.isFinite(factor), 1),
    maxDelayMs: toMs(maxDelay, `${name}.maxDelay`),
    jitter: check('jitter', jitter, 'a number from 0 to 1', jitter <= 1, 0),
  });
}

/** How long to wait after attempt number `attempt` (from 1) has failed. */
export function retryDelayMs(policy: RetryPolicy, attempt: number, random: () => number = Math.random): number {
  // The power may be Infinity after a thousand attempts; the limit then is what counts (and 0 × Infinity is NaN).
  const growth = Math.min(policy.factor ** (attempt - 1), Number.MAX_VALUE);
  const delay = Math.min(policy.delayMs * growth, policy.maxDelayMs);
  return delay * (1 + policy.jitter * (2 * random() - 1));
}

function refuseUnknown(option: unknown, name: string): asserts option is RetryOptions {
  if (!isOptions(option)) {
    throw expected('INVALID_OPTION', `\`${name}\``, 'an object, a number of attempts or a boolean', option);
  }
  const names = Object.keys(DEFAULTS);
  const stray = Object.keys(option).find((key) => !names.includes(key));
  if (stray !== undefined) throw unknownOption(`${name}.${stray}`, name, names);
}

function withoutUndefined(option: RetryOptions): RetryOptions {
  return Object.fromEntries(Object.entries(option).filter(([, value]) => value !== undefined));
}

type Check = [value: unknown, expectation: string, holds: boolean, least: number];

function checked(name: string, ...[value, expectation, holds, least]: Check): number {
  if (typeof value === 'number' && holds && value >= least) return value;
  throw expected('INVALID_OPTION', `\`${name}\``, expectation, value);
}
