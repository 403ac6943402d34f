const GENERATIONS = 8;
const MAX_GENERATION = 65_536;

/**
 * A map that forgets its oldest entries, an eighth at a time: it holds at least `limit` entries and at most an eighth
 * more.
 */
export class Generations<V> {
  readonly #limit: number;
  readonly #size: number;
  /** Newest first. */
  #maps: Map<string, V>[] = [new Map<string, V>()];
  #count = 0;

  constructor(limit: number) {
    this.#limit = limit;
    this.#size = Math.min(MAX_GENERATION, Math.ceil(limit / GENERATIONS));
  }

  get(key: string): V | undefined {
    for (const map of this.#maps) {
      const value = map.get(key);
      if (value !== undefined) return value;
    }
    return undefined;
  }

  set(key: string, value: V): void {
    let newest = this.#maps[0]!;
    if (newest.size >= this.#size) this.#maps.unshift((newest = new Map<string, V>()));
    if (!newest.has(key)) this.#count++;
    newest.set(key, value);
    for (let oldest = this.#oldest(); this.#count - oldest.size >= this.#limit; oldest = this.#oldest()) {
      this.#count -= oldest.size;
      this.#maps.pop();
    }
  }

  *values(): Generator<V> {
    for (const map of this.#maps) yield* map.values();
  }

  #oldest(): Map<string, V> {
    return this.#maps[this.#maps.length - 1]!;
  }
}
