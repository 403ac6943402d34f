import { retryDelayMs, type RetryPolicy } from '../retry.ts';

/** How often a worker that died is started again. */
export interface RestartPolicy {
  /** At most so many times within `withinMs`. */
  readonly limit: number;
  readonly withinMs: number;
  readonly backoff: RetryPolicy;
}

/** A script that has never been ready is not tried for long: what is wrong with it stays wrong. */
const START_ATTEMPTS = 3;

/** Decides whether a worker is started again. Pure but for what it remembers of the past. */
export class Supervision {
  readonly #policy: RestartPolicy | undefined;
  #deaths: number[] = [];
  #starts = 0;

  constructor(policy: RestartPolicy | undefined) {
    this.#policy = policy;
  }

  /** How long to wait before the next start; undefined where there is none. */
  next(nowMs: number, wasReady: boolean): number | undefined {
    if (!this.#policy) return undefined;
    const { limit, withinMs, backoff } = this.#policy;
    if (wasReady) this.#starts = START_ATTEMPTS;
    else if (++this.#starts === START_ATTEMPTS) return undefined;
    this.#deaths = [...this.#deaths.filter((at) => at > nowMs - withinMs), nowMs];
    return this.#deaths.length > limit ? undefined : retryDelayMs(backoff, this.#deaths.length);
  }
}
