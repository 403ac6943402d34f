/** Sorted at once; what is sorted already is merged with it. A sort of all would hold the event loop. */
const PORTION = 2_000;

/** Keeps the first `limit` of any number of items in an order, in memory for at most twice as many. */
export class Best<Item> {
  readonly #limit: number;
  readonly #order: (a: Item, b: Item) => number;
  readonly #portion: number;
  #kept: readonly Item[] = [];
  #newcomers: Item[] = [];
  /** The last one, when there is no room for more. */
  #bar: Item | undefined;

  /** `order`: negative when `a` comes first. */
  constructor(limit: number, order: (a: Item, b: Item) => number) {
    this.#limit = limit;
    this.#order = order;
    this.#portion = Math.max(1, Math.min(limit, PORTION));
  }

  add(item: Item): void {
    if (this.#bar !== undefined && this.#order(item, this.#bar) >= 0) return;
    this.#newcomers.push(item);
    if (this.#newcomers.length >= this.#portion) this.#merge();
  }

  /** In order; among equals the one that was added first comes first. */
  take(): readonly Item[] {
    this.#merge();
    return this.#kept;
  }

  #merge(): void {
    const newcomers = this.#newcomers.toSorted(this.#order);
    const kept = this.#kept;
    const merged: Item[] = [];
    for (let i = 0, j = 0; merged.length < this.#limit && (i < kept.length || j < newcomers.length);) {
      const isOlder = j >= newcomers.length || (i < kept.length && this.#order(kept[i]!, newcomers[j]!) <= 0);
      merged.push(isOlder ? kept[i++]! : newcomers[j++]!);
    }
    this.#kept = merged;
    this.#newcomers = [];
    if (merged.length === this.#limit) this.#bar = merged.at(-1);
  }
}
