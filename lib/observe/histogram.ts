/** A distribution of durations. Bucket bounds grow by a fourth of a power of two, so percentiles are within 19 %. */
export interface HistogramSnapshot {
  readonly count: number;
  readonly meanMs: number;
  readonly minMs: number;
  readonly maxMs: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
}

const STEPS = 4;
const LOWEST_MS = 0.001;
/** From a microsecond to about nineteen minutes. */
const BUCKETS = 30 * STEPS;

export class Histogram {
  readonly #counts = new Uint32Array(BUCKETS + 1);
  #count = 0;
  #sum = 0;
  #min = Infinity;
  #max = 0;

  record(ms: number): void {
    this.#count++;
    this.#sum += ms;
    if (ms < this.#min) this.#min = ms;
    if (ms > this.#max) this.#max = ms;
    const bucket = ms <= LOWEST_MS ? 0 : Math.min(BUCKETS, Math.ceil(Math.log2(ms / LOWEST_MS) * STEPS));
    this.#counts[bucket]!++;
  }

  snapshot(): HistogramSnapshot {
    const empty = this.#count === 0;
    return {
      count: this.#count,
      meanMs: empty ? 0 : this.#sum / this.#count,
      minMs: empty ? 0 : this.#min,
      maxMs: this.#max,
      p50Ms: this.#percentile(0.5),
      p95Ms: this.#percentile(0.95),
      p99Ms: this.#percentile(0.99),
    };
  }

  // The upper bound of the bucket the percentile falls into, never above what was seen.
  #percentile(share: number): number {
    let left = Math.ceil(this.#count * share);
    if (left === 0) return 0;
    for (let bucket = 0; bucket <= BUCKETS; bucket++) {
      left -= this.#counts[bucket]!;
      if (left <= 0) return Math.min(this.#max, LOWEST_MS * 2 ** (bucket / STEPS));
    }
    return this.#max;
  }
}
