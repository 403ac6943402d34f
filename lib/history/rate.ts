import { countOf, scoreOf, spreadOf, type Spread, type Weights } from './spread.ts';

/** A span of time with unusually many or few events. */
export interface RateAnomaly {
  readonly kind: 'rate';
  /** The values of `by`. */
  readonly key: readonly unknown[];
  /** The bucket, epoch ms; `to` is where the next one begins. */
  readonly from: number;
  readonly to: number;
  readonly count: number;
  readonly medianCount: number;
  readonly madCount: number;
  /** Above 0: too many. Below: too few. */
  readonly score: number;
}

/** What makes something an anomaly. */
export interface Judgement {
  readonly threshold: number;
  readonly minSamples: number;
}

/** Differences of less than one event say nothing. */
const LEAST_COUNT = 1;

/** How many events of one key there are in each bucket. Buckets without events between the first and the last count as 0. */
export class Rate {
  readonly #bucketMs: number;
  readonly #counts = new Map<number, number>();
  #first = Infinity;
  #last = -Infinity;

  constructor(bucketMs: number) {
    this.#bucketMs = bucketMs;
  }

  /** Whether the event is the first of its bucket. */
  add(time: number): boolean {
    const bucket = Math.floor(time / this.#bucketMs);
    const count = this.#counts.get(bucket) ?? 0;
    this.#counts.set(bucket, count + 1);
    this.#first = Math.min(this.#first, bucket);
    this.#last = Math.max(this.#last, bucket);
    return count === 0;
  }

  /** `undefined` where there are too few buckets to say. */
  anomalies(key: readonly unknown[], { threshold, minSamples }: Judgement): readonly RateAnomaly[] | undefined {
    const weights = this.#weights();
    if (countOf(weights) < minSamples) return undefined;
    const spread = spreadOf(weights, LEAST_COUNT);
    const tell = (bucket: number, count: number): RateAnomaly => ({
      kind: 'rate',
      key,
      from: bucket * this.#bucketMs,
      to: (bucket + 1) * this.#bucketMs,
      count,
      medianCount: spread.median,
      madCount: spread.mad,
      score: scoreOf(count, spread),
    });
    return this.#suspects(spread, threshold).map(([bucket, count]) => tell(bucket, count));
  }

  // The first and the last bucket may be looked at in part only, so that few events in them mean nothing.
  #suspects(spread: Spread, threshold: number): [bucket: number, count: number][] {
    const found: [number, number][] = [];
    for (const [bucket, count] of this.#counts) {
      const score = scoreOf(count, spread);
      const isWhole = bucket !== this.#first && bucket !== this.#last;
      if (score >= threshold || (isWhole && score <= -threshold)) found.push([bucket, count]);
    }
    // Only where at least half of the buckets have events, so there are not many to go through.
    if (scoreOf(0, spread) <= -threshold)
      for (let bucket = this.#first; bucket < this.#last; bucket++)
        if (!this.#counts.has(bucket)) found.push([bucket, 0]);
    return found;
  }

  #weights(): Weights {
    const times = new Map<number, number>();
    for (const count of this.#counts.values()) times.set(count, (times.get(count) ?? 0) + 1);
    const empty = this.#last - this.#first + 1 - this.#counts.size;
    if (empty > 0) times.set(0, empty);
    return [...times].toSorted(([a], [b]) => a - b);
  }
}
