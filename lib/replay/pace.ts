import type { Clock } from '../clock.ts';

export interface PaceOptions {
  /** How many times as fast as it was; Infinity without any wait. */
  readonly factor: number;
  readonly maxGapMs: number;
  readonly backward: boolean;
}

/** The wait between two events: their distance in time at this speed, never negative, never above `maxGap`. */
export function gapMs(from: number, to: number, { factor, maxGapMs, backward }: PaceOptions): number {
  const distance = backward ? from - to : to - from;
  return Math.min(Math.max(0, distance) / factor, maxGapMs);
}

/**
 * When events are due. Keeps to the schedule: what a slow handler has used up of a wait is not waited again. An event
 * whose time lies before that of the one told before it follows at once.
 */
export class Pace {
  readonly #options: PaceOptions;
  readonly #clock: Clock;
  #time: number | undefined;
  #dueMs = 0;
  #heldSince: number | undefined;

  constructor(options: PaceOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
  }

  /** How long until an event of this time is due, from now; 0 or less where it is. Asks again until it is `told`. */
  untilDue(time: number): number {
    if (this.#time === undefined) return 0;
    return this.#dueMs + gapMs(this.#time, time, this.#options) - this.#clock.monotonic();
  }

  told(time: number): void {
    if (this.#time === undefined) this.#dueMs = this.#clock.monotonic();
    else this.#dueMs += gapMs(this.#time, time, this.#options);
    this.#time = time;
  }

  /** Time stands still until `go`. */
  hold(): void {
    this.#heldSince ??= this.#clock.monotonic();
  }

  go(): void {
    if (this.#heldSince !== undefined) this.#dueMs += this.#clock.monotonic() - this.#heldSince;
    this.#heldSince = undefined;
  }

  /** Told out of turn while time stands still: what comes next is due from here. */
  stepped(time: number): void {
    this.restart();
    this.told(time);
    this.hold();
  }

  /** The next event is due at once. */
  restart(): void {
    this.#time = undefined;
    this.#heldSince = undefined;
  }
}
