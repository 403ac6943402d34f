import type { StoredEvent } from '../event/event.ts';
import { Serial } from '../serial.ts';
import type { Store } from './port.ts';
import { mergeRanges, type Range } from './ranges.ts';
import { Slice } from './slice.ts';

const PAGE_EVENTS = 500;

/**
 * What is kept in memory of a log's events of some types: read at first use and caught up with the log at every later one.
 * Order: position order, one look at a time. Failure: `catchUp` rejects; the next one goes on where it stopped.
 */
export abstract class LogIndex {
  protected readonly store: Store;
  readonly #types: readonly string[];
  readonly #looks = new Serial();
  #looked = 0;
  #removals: Range[] = [];

  constructor(store: Store, types: readonly string[]) {
    this.store = store;
    this.#types = types;
    store.onRemove((ranges) => {
      // Before the first look there is nothing to forget.
      if (this.#looked > 0 || this.size > 0) this.#note(ranges);
    });
  }

  abstract get size(): number;
  /** Takes in a page of events. */
  protected abstract take(events: readonly StoredEvent[]): void;
  /** Something was removed here, or rewritten, which is told as a removal is. Sorted, without overlaps. */
  protected abstract forget(ranges: readonly Range[]): Promise<void>;

  /** Everything up to here was taken in. */
  protected get looked(): number {
    return this.#looked;
  }

  /** Takes in what the log has got since the last call. */
  catchUp(): Promise<void> {
    return this.#looks.run(() => this.#catchUp());
  }

  async #catchUp(): Promise<void> {
    const { position: head } = await this.store.head();
    const slice = new Slice();
    while (this.#looked < head) {
      if (slice.isOver) await slice.rest();
      const range = { after: this.#looked, through: head, descending: false, limit: PAGE_EVENTS };
      const page = await this.store.page({ ...range, types: this.#types });
      this.take(page.events);
      this.#looked = page.done ? head : page.looked;
    }
    if (this.#removals.length > 0) await this.forget(mergeRanges(this.#removals.splice(0)));
  }

  // A log in memory that is full drops its oldest events for ever, piece by piece.
  #note(ranges: readonly Range[]): void {
    for (const { from, to } of ranges) {
      const last = this.#removals.at(-1);
      if (last?.to === from - 1) this.#removals[this.#removals.length - 1] = { from: last.from, to };
      else this.#removals.push({ from, to });
    }
  }
}
