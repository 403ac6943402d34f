import type { Clock } from '../clock.ts';
import { toMs, type Duration } from '../duration.ts';
import { expected, isTelltaleError, toError } from '../errors.ts';
import type { Failure } from '../invoke/invoke.ts';
import { mustKnow } from '../parse-options.ts';
import { parseRetry, retryDelayMs, type RetryOptions, type RetryPolicy } from '../retry.ts';

/** What happens to an actor whose `receive` has failed. */
export type Strategy = 'resume' | 'restart' | 'stop' | 'escalate';

/** How an actor is looked after. */
export interface SuperviseOptions {
  /**
   * `restart`: begins anew, from `initial` or from its events, and gets the event again. `resume`: goes on with the state
   * it has. `stop`: ends. `escalate`: ends, and its parent is treated as if it had failed. An
   * `initial` that throws is a failure like any other, but there is nothing to resume with: it stops. One whose stored
   * events cannot be applied, or are gone, is not restarted either. @default 'restart'
   */
  readonly strategy?: Strategy;
  /** How often one event is tried, the first time too; then it is a dead letter. An integer from 1. @default 3 */
  readonly attempts?: number;
  /** The wait before a restart. @default { delay: '100ms', factor: 2, maxDelay: '30s', jitter: 0.2 } */
  readonly backoff?: Omit<RetryOptions, 'attempts'>;
  /** One more within `within`, and it is stopped. An integer from 0. @default 10 */
  readonly maxRestarts?: number;
  /** @default '60s' */
  readonly within?: Duration;
}

/** Parsed. */
export interface Supervision {
  readonly strategy: Strategy;
  /** Its `attempts` are those of an event; the delays are those before restarts. */
  readonly retry: RetryPolicy;
  readonly maxRestarts: number;
  readonly withinMs: number;
}

/** What is to be done now. */
export type Verdict =
  | { readonly act: 'resume' | 'stop' | 'escalate' }
  | { readonly act: 'restart'; readonly delayMs: number }
  | { readonly act: 'give-up'; readonly restarts: number };

const KNOWN = ['strategy', 'attempts', 'backoff', 'maxRestarts', 'within'];
const BACKOFF = ['delay', 'factor', 'maxDelay', 'jitter'];
const STRATEGIES: readonly unknown[] = ['resume', 'restart', 'stop', 'escalate'];

/** Throws `INVALID_OPTION`, `INVALID_DURATION`. */
export function parseSupervise(options: SuperviseOptions = {}): Supervision {
  if (typeof options !== 'object' || options === null)
    throw expected('INVALID_OPTION', '`supervise` of an actor', 'an object', options);
  mustKnow(options, KNOWN, 'supervise');
  const { strategy = 'restart', attempts = 3, backoff = {}, maxRestarts = 10, within = '60s' } = options;
  if (!STRATEGIES.includes(strategy))
    throw expected('INVALID_OPTION', '`supervise.strategy`', "'resume', 'restart', 'stop' or 'escalate'", strategy);
  if (!Number.isInteger(maxRestarts) || maxRestarts < 0)
    throw expected('INVALID_OPTION', '`supervise.maxRestarts`', 'an integer from 0', maxRestarts);
  if (attempts !== Infinity && !(Number.isInteger(attempts) && attempts >= 1))
    throw expected('INVALID_OPTION', '`supervise.attempts`', 'an integer from 1', attempts);
  if (typeof backoff !== 'object' || backoff === null)
    throw expected('INVALID_OPTION', '`supervise.backoff`', 'an object', backoff);
  mustKnow(backoff, BACKOFF, 'supervise.backoff');
  const retry = parseRetry({ ...backoff, attempts }, 'supervise.backoff')!;
  return { strategy, retry, maxRestarts, withinMs: toMs(within, 'supervise.within') };
}

/** What it was that failed: never undefined, which would be an end by wish. */
export const errorOf = ({ error }: Failure): unknown => error ?? toError(error);

/** What one instance has been through. Memory: the times of at most `maxRestarts` restarts. */
export class Supervisor {
  readonly #terms: Supervision;
  readonly #clock: Clock;
  #restarts: number[] = [];
  /** Failures since something went well: they make the wait longer. */
  #inARow = 0;

  constructor(terms: Supervision, clock: Clock) {
    this.#terms = terms;
    this.#clock = clock;
  }

  /** Restarts within the time that counts. */
  get restarts(): number {
    const since = this.#clock.monotonic() - this.#terms.withinMs;
    if (this.#restarts.length > 0) this.#restarts = this.#restarts.filter((at) => at > since);
    return this.#restarts.length;
  }

  went(): void {
    this.#inARow = 0;
  }

  /**
   * Decides, and remembers, about a beginning that has failed: there is no state to resume with, and what is stored
   * would be the same the next time.
   */
  notBegun(error: unknown): Verdict {
    const { strategy } = this.#terms;
    const isLasting = isTelltaleError(error, 'REBUILD_FAILED') || isTelltaleError(error, 'EVENTS_REMOVED');
    if (strategy === 'resume' || (strategy === 'restart' && isLasting)) return { act: 'stop' };
    return this.failed();
  }

  /** Decides, and remembers, about a failure. */
  failed(): Verdict {
    const { strategy, retry, maxRestarts } = this.#terms;
    if (strategy !== 'restart') return { act: strategy };
    const { restarts } = this;
    if (restarts >= maxRestarts) return { act: 'give-up', restarts };
    this.#restarts.push(this.#clock.monotonic());
    return { act: 'restart', delayMs: retryDelayMs(retry, ++this.#inARow) };
  }
}
