import type { Clock } from '../clock.ts';

/** Tells how far the wall clock has jumped since it was last asked: by what the monotonic clock does not know of. */
export class ClockWatch {
  readonly #clock: Pick<Clock, 'now' | 'monotonic'>;
  #offset: number;

  constructor(clock: Pick<Clock, 'now' | 'monotonic'>) {
    this.#clock = clock;
    this.#offset = clock.now() - clock.monotonic();
  }

  /** Ms, negative for a jump back. Counts from here on next time: a suspended machine must not stop sweeps for ever. */
  jumpMs(): number {
    const offset = this.#clock.now() - this.#clock.monotonic();
    const jump = offset - this.#offset;
    this.#offset = offset;
    return jump;
  }
}
