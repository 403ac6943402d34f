/**
 * Puts items that come nearly in order into order, in bounded memory: each is given on when `size` later ones are there.
 * What comes later than that is given on out of order.
 */
export class InOrder<Item> {
  readonly #size: number;
  readonly #order: (a: Item, b: Item) => number;
  readonly #next: (item: Item) => void;
  #waiting: Item[] = [];

  constructor(size: number, order: (a: Item, b: Item) => number, next: (item: Item) => void) {
    this.#size = size;
    this.#order = order;
    this.#next = next;
  }

  add(item: Item): void {
    this.#waiting.push(item);
    // In small portions: most of what is sorted then is sorted already, and none of it takes long.
    const portion = Math.ceil(this.#size / 5);
    if (this.#waiting.length >= this.#size + portion) this.#giveOn(portion);
  }

  /** Everything that still waits. */
  end(): void {
    this.#giveOn(this.#waiting.length);
  }

  #giveOn(count: number): void {
    const sorted = this.#waiting.toSorted(this.#order);
    for (let i = 0; i < count; i++) this.#next(sorted[i]!);
    this.#waiting = sorted.slice(count);
  }
}
