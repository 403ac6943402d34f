/** Keeps the first `limit` of any number of items in an order, in memory for twice as many. */
export class Best<Item> {
  readonly #limit: number;
  readonly #order: (a: Item, b: Item) => number;
  #kept: Item[] = [];

  /** `order`: negative when `a` is the better one. */
  constructor(limit: number, order: (a: Item, b: Item) => number) {
    this.#limit = limit;
    this.#order = order;
  }

  add(item: Item): void {
    this.#kept.push(item);
    if (this.#kept.length >= this.#limit * 2) this.#shrink();
  }

  /** The best first; among equals the one that was added first. */
  take(): readonly Item[] {
    this.#shrink();
    return this.#kept;
  }

  #shrink(): void {
    this.#kept = this.#kept.toSorted(this.#order).slice(0, this.#limit);
  }
}
