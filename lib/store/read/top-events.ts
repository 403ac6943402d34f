import type { StoredEvent } from '../../event/event.ts';

/** Negative when `a` comes first. */
export type EventOrder = (a: Key, b: Key) => number;

/** What events are put in order by: their time, and their position where times are equal. */
export type Key = Pick<StoredEvent, 'time' | 'position'>;

export const byTime: EventOrder = (a, b) => a.time - b.time || a.position - b.position;

export const byTimeBackward: EventOrder = (a, b) => byTime(b, a);

/** Keeps the first `limit` of any number of events in an order, in memory for twice as many. */
export class TopEvents {
  readonly #limit: number;
  readonly #order: EventOrder;
  #kept: StoredEvent[] = [];
  #last: StoredEvent | undefined;

  constructor(limit: number, order: EventOrder) {
    this.#limit = limit;
    this.#order = order;
  }

  add(event: StoredEvent): void {
    if (this.#last !== undefined && this.#order(event, this.#last) > 0) return;
    this.#kept.push(event);
    if (this.#kept.length >= this.#limit * 2) this.#shrink();
  }

  /** In order. */
  take(): readonly StoredEvent[] {
    this.#shrink();
    return this.#kept;
  }

  #shrink(): void {
    this.#kept = this.#kept.toSorted(this.#order).slice(0, this.#limit);
    if (this.#kept.length === this.#limit) this.#last = this.#kept.at(-1);
  }
}
