import type { Clock } from '../clock.ts';
import type { Schedule } from './schedule.ts';

export interface SweeperPort {
  readonly clock: Clock;
  readonly schedule: Schedule;
  /** One sweep. What it throws is told by `failed`. */
  sweep(signal: AbortSignal): Promise<unknown>;
  failed(error: unknown, failures: number, retryInMs: number): void;
}

const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 3_600_000;

/**
 * Starts sweeps in time. Never two at once: the next is set when one has ended. Its timers do not keep the process
 * alive. After a failure it waits at least 1 s, twice as long after each further one, an hour at most.
 */
export class Sweeper {
  readonly #port: SweeperPort;
  readonly #abort = new AbortController();
  #cancel: (() => void) | undefined;
  #running: Promise<void> | undefined;
  #failures = 0;
  #nextAt: number | undefined;

  constructor(port: SweeperPort) {
    this.#port = port;
  }

  /** When the next sweep is due, epoch ms; undefined while one runs and after `stop`. */
  get nextAt(): number | undefined {
    return this.#nextAt;
  }

  start(): void {
    this.#setNext(0);
  }

  /** No sweep any more; resolves when the one that runs has finished its slice. */
  async stop(): Promise<void> {
    this.#abort.abort();
    this.#cancel?.();
    this.#nextAt = undefined;
    await this.#running;
  }

  #setNext(leastMs: number): number {
    const { clock, schedule } = this.#port;
    const now = clock.now();
    const inMs = Math.max(leastMs, schedule.nextInMs(now, this.#nextAt));
    if (this.#abort.signal.aborted || inMs === Infinity) return inMs;
    this.#nextAt = now + inMs;
    this.#cancel = clock.after(inMs, () => void (this.#running = this.#run()));
    return inMs;
  }

  async #run(): Promise<void> {
    try {
      await this.#port.sweep(this.#abort.signal);
      this.#failures = 0;
      this.#setNext(0);
    } catch (error) {
      this.#failures++;
      const inMs = this.#setNext(Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** (this.#failures - 1)));
      this.#port.failed(error, this.#failures, inMs);
    }
  }
}
