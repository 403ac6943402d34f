import type { Retelling } from '../context.ts';
import type { Envelope } from '../event/envelope.ts';
import type { StoredEvent } from '../event/event.ts';
import type { Captures } from './captures.ts';
import type { Desk } from './recipient.ts';

/** What handlers of a replay carry with them, and where it is booked how they went. */
export class Account implements Retelling {
  readonly id: string;
  readonly capture: ((emitted: object) => void) | undefined;
  readonly #desk: Desk;
  readonly #done: () => void;
  /** Failures whose end is still to be told. */
  #failing = 0;

  /** Without `captures`, what handlers emit is accepted; `done` is called once for each event and handler. */
  constructor(id: string, captures: Captures | undefined, desk: Desk, done: () => void) {
    this.id = id;
    this.capture = captures && ((emitted) => captures.take(emitted as Envelope));
    this.#desk = desk;
    this.#done = done;
  }

  /** Comes right before the event's `ended`. */
  failed(told: object, error: unknown, attempts: number): void {
    this.#failing++;
    this.#desk.failed((told as Envelope).event as StoredEvent, error, attempts);
  }

  dropped(): void {
    this.#desk.skipped();
    this.#done();
  }

  ended(): void {
    if (this.#failing > 0) this.#failing--;
    else this.#desk.delivered();
    this.#done();
  }
}
