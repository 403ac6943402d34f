/**
 * Counts by key for the keys seen first, up to `limit` of them, so that a log with a new key in every event does not
 * fill the memory. `overflow` counts what came for other keys.
 */
export class Tally {
  readonly #counts = new Map<string, number>();
  readonly #limit: number;
  #overflow = 0;

  constructor(limit = 50_000) {
    this.#limit = limit;
  }

  add(key: string): void {
    const count = this.#counts.get(key);
    if (count === undefined && this.#counts.size >= this.#limit) this.#overflow++;
    else this.#counts.set(key, (count ?? 0) + 1);
  }

  get size(): number {
    return this.#counts.size;
  }

  get overflow(): number {
    return this.#overflow;
  }

  /** Most frequent first; equal counts in the order of their first appearance. */
  top(count = Infinity): readonly (readonly [key: string, count: number])[] {
    return [...this.#counts].toSorted(([, a], [, b]) => b - a).slice(0, count);
  }
}
