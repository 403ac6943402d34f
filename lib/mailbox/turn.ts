import type { Clock } from '../clock.ts';
import { runWithoutCause } from '../context.ts';

const EVENTS = 256;
const MS = 4;

/** How many events, and for how long, may be handled in one go. */
export class Budget {
  readonly #clock: Pick<Clock, 'monotonic'>;
  #left = 0;
  #untilMs = 0;

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock;
  }

  isSpent(nowMs?: number): boolean {
    return this.#left <= 0 || (nowMs ?? this.#clock.monotonic()) > this.#untilMs;
  }

  begin(): void {
    this.#left = EVENTS;
    this.#untilMs = this.#clock.monotonic() + MS;
  }

  /** Takes one event off; false where nothing is left of it. Whoever knows the monotonic time spares a look at the clock. */
  spend(nowMs?: number): boolean {
    if (this.isSpent(nowMs)) return false;
    this.#left--;
    return true;
  }
}

/** Somebody who has more to do. */
export interface Paused {
  resume(): void;
}

/**
 * One turn of the event loop, shared by everything that a bus goes on with by itself: handlers that follow on others in
 * microtasks would never let a timer fire. Whoever may not `spend` an event goes on in the `next` turn, in the order
 * they asked. What the program itself sets off with a call is the program's affair, and asks nobody.
 */
export class Turn {
  readonly #budget: Budget;
  readonly #paused = new Set<Paused>();
  #status: 'unused' | 'begun' = 'unused';

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#budget = new Budget(clock);
  }

  /** May one more event be handled in this turn? */
  spend(nowMs?: number): boolean {
    if (this.#status === 'unused') this.#begin();
    return this.#budget.spend(nowMs);
  }

  /** As `spend`; where the answer is no, `paused` goes on in the next turn. */
  enter(paused: Paused, nowMs?: number): boolean {
    if (this.spend(nowMs)) return true;
    this.next(paused);
    return false;
  }

  /** Calls `resume` once, in the next turn that has time for it, however often it is asked for until then. */
  next(paused: Paused): void {
    if (this.#status === 'unused') this.#begin();
    this.#paused.add(paused);
  }

  #begin(): void {
    this.#status = 'begun';
    this.#budget.begin();
    setImmediate(() => {
      this.#status = 'unused';
      if (this.#paused.size > 0) runWithoutCause(() => this.#goOn());
    });
  }

  #goOn(): void {
    this.#begin();
    // Whoever asks again meanwhile comes after all others, for whom there may be no time left.
    for (const paused of this.#paused) {
      if (this.#budget.isSpent()) return;
      this.#paused.delete(paused);
      paused.resume();
    }
  }
}
