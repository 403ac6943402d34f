/** The sketch's relative error: a percentile of 1,000 ms is answered as 990 to 1,010. */
export const RELATIVE_ERROR = 0.01;

const DEFAULT_EXACT = 1_000;
const GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR);
const LOG_GAMMA = Math.log(GAMMA);
const CHUNK = 64;
const MAX_BINS = 2_048;

/**
 * Percentiles of any number of finite numbers by nearest rank, in bounded memory: exact up to `exact` values, from
 * there on a DDSketch (C. Masson, J. E. Rim, H. K. Lee: "DDSketch: A Fast and Fully-Mergeable Quantile Sketch with
 * Relative-Error Guarantees", PVLDB 12(12), 2019) with bins (γ^(i−1), γ^i], γ = 1.01 / 0.99. Its answers are within 1 %
 * of the exact one, as long as the magnitudes lie within 17 powers of ten; of more, the smallest count as the lowest
 * that is kept. At most 32 kB.
 */
export class Quantiles {
  readonly #exact: number;
  /** `undefined` once there are too many. */
  #values: number[] | undefined = [];
  #isSorted = true;
  #positive = new Bins();
  #negative = new Bins();
  #zeros = 0;
  #count = 0;
  #min = Infinity;
  #max = -Infinity;

  constructor(exact = DEFAULT_EXACT) {
    this.#exact = exact;
  }

  get count(): number {
    return this.#count;
  }

  /** Whether its answers are the values themselves. */
  get isExact(): boolean {
    return this.#values !== undefined;
  }

  add(value: number): void {
    this.#count++;
    if (value < this.#min) this.#min = value;
    if (value > this.#max) this.#max = value;
    if (this.#values === undefined) this.#sketch(value, 1);
    else this.#keep(value, this.#values);
    if (this.#values !== undefined && this.#values.length > this.#exact) this.#turnIntoSketch();
  }

  /** Takes over what another one has seen. */
  merge(other: Quantiles): void {
    if (other.#values !== undefined) {
      for (const value of other.#values) this.add(value);
      return;
    }
    if (this.#values !== undefined) this.#turnIntoSketch();
    for (const [value, times] of other.weights()) this.#sketch(value, times);
    this.#count += other.#count;
    this.#min = Math.min(this.#min, other.#min);
    this.#max = Math.max(this.#max, other.#max);
  }

  /** The smallest value that at least `share` of all are not above; `undefined` where there is none. */
  at(share: number): number | undefined {
    let left = Math.max(1, Math.ceil(this.#count * share));
    if (this.#values !== undefined) return this.#sorted()[left - 1];
    if (left === this.#count) return this.#max;
    for (const [value, times] of this.weights()) {
      left -= times;
      if (left <= 0) return Math.min(this.#max, Math.max(this.#min, value));
    }
    return this.#max;
  }

  /** Values, or what stands for those of one bin, with how many they are; rising. */
  *weights(): Generator<readonly [value: number, times: number]> {
    if (this.#values !== undefined) for (const value of this.#sorted()) yield [value, 1];
    for (const [index, times] of this.#negative.fromHighest()) yield [-valueOf(index), times];
    if (this.#zeros > 0) yield [0, this.#zeros];
    for (const [index, times] of this.#positive.fromLowest()) yield [valueOf(index), times];
  }

  #sorted(): readonly number[] {
    if (!this.#isSorted) this.#values = this.#values!.toSorted((a, b) => a - b);
    this.#isSorted = true;
    return this.#values!;
  }

  #keep(value: number, values: number[]): void {
    values.push(value);
    this.#isSorted = false;
  }

  #turnIntoSketch(): void {
    for (const value of this.#values!) this.#sketch(value, 1);
    this.#values = undefined;
  }

  #sketch(value: number, times: number): void {
    if (value === 0) this.#zeros += times;
    else if (value > 0) this.#positive.add(indexOf(value), times);
    else this.#negative.add(indexOf(-value), times);
  }
}

function indexOf(magnitude: number): number {
  return Math.ceil(Math.log(magnitude) / LOG_GAMMA);
}

// The point of a bin whose relative distance to both its ends is the same.
function valueOf(index: number): number {
  return Math.exp(index * LOG_GAMMA) * (2 / (1 + GAMMA));
}

/** Counts by consecutive indexes. When they span too many, the lowest run together, as they do in the paper. */
class Bins {
  #counts = new Float64Array(0);
  /** The index of the first count. */
  #first = 0;

  add(index: number, times: number): void {
    if (this.#counts.length === 0) this.#make(index, index);
    const end = this.#first + this.#counts.length - 1;
    if (index < this.#first || index > end) this.#make(Math.min(index, this.#first), Math.max(index, end));
    this.#counts[Math.max(0, index - this.#first)]! += times;
  }

  *fromLowest(): Generator<readonly [index: number, times: number]> {
    for (let i = 0; i < this.#counts.length; i++) if (this.#counts[i]! > 0) yield [this.#first + i, this.#counts[i]!];
  }

  *fromHighest(): Generator<readonly [index: number, times: number]> {
    for (let i = this.#counts.length - 1; i >= 0; i--)
      if (this.#counts[i]! > 0) yield [this.#first + i, this.#counts[i]!];
  }

  /** Room for all indexes from `low` to `high`, or for the highest of them. */
  #make(low: number, high: number): void {
    const top = Math.ceil((high + 1) / CHUNK) * CHUNK;
    const first = Math.max(Math.floor(low / CHUNK) * CHUNK, top - MAX_BINS);
    if (first === this.#first && top - first === this.#counts.length) return;
    const counts = new Float64Array(top - first);
    for (const [index, times] of this.fromLowest()) counts[Math.max(0, index - first)]! += times;
    this.#counts = counts;
    this.#first = first;
  }
}
