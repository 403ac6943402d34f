import type { Clock } from '../clock.ts';
import { Turn } from '../mailbox/turn.ts';

/**
 * Gives the event loop its turns where a store answers without ever waiting: a program that appends or reads in a loop
 * would never let a timer fire. After 256 operations or 4 ms in one turn, the next answer comes in the turn behind it.
 */
export class LoopTurns {
  readonly #turn: Turn;

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#turn = new Turn(clock);
  }

  /** Nothing to wait for where this turn has time for one more operation. */
  next(): Promise<void> | undefined {
    if (this.#turn.spend()) return undefined;
    return new Promise((resume) => this.#turn.next({ resume }));
  }
}
