export interface TimeBucket {
  /** Its beginning, epoch ms: a multiple of the width. */
  readonly from: number;
  readonly events: number;
}

const SECOND = 1_000;
// Each divides the next, so that buckets can be put together without looking at the events again.
const STEPS = [5, 3, 4, 5, 3, 4, 6, 4, 7];
const LATER_STEP = 4;

/** How many events there were when, in at most so many buckets: they become wider as times come that are far apart. */
export class TimeHistogram {
  readonly #limit: number;
  #widthMs = SECOND;
  #step = 0;
  #counts = new Map<number, number>();
  #first = Infinity;
  #last = -Infinity;

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(time: number): void {
    this.#count(Math.floor(time / this.#widthMs), 1);
    while (this.#span() > this.#limit) this.#widen();
  }

  get widthMs(): number {
    return this.#widthMs;
  }

  /** From the first to the last, those without events included. */
  buckets(): readonly TimeBucket[] {
    if (this.#counts.size === 0) return [];
    const first = this.#first;
    return Array.from({ length: this.#span() }, (_, index) => ({
      from: (first + index) * this.#widthMs,
      events: this.#counts.get(first + index) ?? 0,
    }));
  }

  #count(bucket: number, events: number): void {
    this.#counts.set(bucket, (this.#counts.get(bucket) ?? 0) + events);
    if (bucket < this.#first) this.#first = bucket;
    if (bucket > this.#last) this.#last = bucket;
  }

  #span(): number {
    return this.#last - this.#first + 1;
  }

  #widen(): void {
    const step = STEPS[this.#step++] ?? LATER_STEP;
    const counts = this.#counts;
    this.#counts = new Map();
    this.#first = Infinity;
    this.#last = -Infinity;
    this.#widthMs *= step;
    for (const [bucket, events] of counts) this.#count(Math.floor(bucket / step), events);
  }
}
