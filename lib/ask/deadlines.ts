import type { Clock } from '../clock.ts';

/** Something that ends at a time of the monotonic clock, which may not change while it is listed. */
export interface Due {
  readonly dueMs: number;
  expire(): void;
}

/**
 * What is due at some time, on one timer for all. Adding, removing and moving cost the same however many there are;
 * `Infinity` is never. The process stays alive while anything is due, and no longer.
 */
export class Deadlines<Item extends Due> {
  readonly #clock: Clock;
  /** By the millisecond in which they are over. */
  readonly #buckets = new Map<number, Set<Item>>();
  #size = 0;
  #armedFor = Infinity;
  #disarm: (() => void) | undefined;
  #resting = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#size;
  }

  add(item: Item): void {
    const at = Math.ceil(item.dueMs);
    const bucket = this.#buckets.get(at);
    if (bucket) bucket.add(item);
    else this.#buckets.set(at, new Set([item]));
    this.#size++;
    if (at < this.#armedFor) this.#arm(at);
  }

  delete(item: Item): void {
    const at = Math.ceil(item.dueMs);
    const bucket = this.#buckets.get(at);
    if (!bucket?.delete(item)) return;
    if (bucket.size === 0) this.#buckets.delete(at);
    this.#size--;
    if (this.#size === 0) this.#restSoon();
  }

  /** What is listed now. */
  get items(): readonly Item[] {
    return [...this.#buckets.values()].flatMap((bucket) => [...bucket]);
  }

  // A timer that was set for something that has ended since is cheaper left than set anew.
  #arm(at: number): void {
    this.#disarm?.();
    this.#armedFor = at;
    this.#disarm = this.#clock.wait(Math.max(0, at - this.#clock.monotonic()), () => this.#expire());
  }

  #expire(): void {
    this.#armedFor = Infinity;
    this.#disarm = undefined;
    const now = this.#clock.monotonic();
    const over = [...this.#buckets].filter(([at]) => at <= now).toSorted(([a], [b]) => a - b);
    for (const item of over.flatMap(([, bucket]) => [...bucket])) item.expire();
    let next = Infinity;
    for (const at of this.#buckets.keys()) if (at < next) next = at;
    if (next < this.#armedFor) this.#arm(next);
  }

  // One that follows on another within this turn of the event loop finds the timer as it was.
  #restSoon(): void {
    if (this.#resting || this.#disarm === undefined) return;
    this.#resting = true;
    setImmediate(() => {
      this.#resting = false;
      if (this.#size > 0) return;
      this.#disarm?.();
      this.#disarm = undefined;
      this.#armedFor = Infinity;
    });
  }
}
