import { Quantiles } from './quantiles.ts';

export type Figure = 'sum' | 'avg' | 'min' | 'max' | 'p50' | 'p95' | 'p99';

const SHARES: Readonly<Partial<Record<Figure, number>>> = { p50: 0.5, p95: 0.95, p99: 0.99 };

/**
 * Figures over any number of finite numbers. The sum carries its rounding error along (A. Neumaier: "Rundungsfehleranalyse
 * einiger Verfahren zur Summation endlicher Summen", ZAMM 54, 1974), so that ten times 0.1 is 1.
 */
export class Numbers {
  readonly #quantiles: Quantiles | undefined;
  #count = 0;
  #sum = 0;
  #error = 0;
  #min = Infinity;
  #max = -Infinity;

  /** `quantiles`: percentiles will be asked for. */
  constructor(quantiles: boolean) {
    this.#quantiles = quantiles ? new Quantiles() : undefined;
  }

  add(value: number): void {
    this.#count++;
    this.#addToSum(value);
    if (value < this.#min) this.#min = value;
    if (value > this.#max) this.#max = value;
    this.#quantiles?.add(value);
  }

  /** So many numbers of which only the span is known: it is all that may be asked for from then on. */
  addSpan(count: number, min: number, max: number): void {
    this.#count += count;
    this.#min = Math.min(this.#min, min);
    this.#max = Math.max(this.#max, max);
  }

  merge(other: Numbers): void {
    this.#count += other.#count;
    this.#addToSum(other.#sum);
    this.#addToSum(other.#error);
    this.#min = Math.min(this.#min, other.#min);
    this.#max = Math.max(this.#max, other.#max);
    if (other.#quantiles) this.#quantiles?.merge(other.#quantiles);
  }

  /** `undefined` where there was no number. */
  figure(name: Figure): number | undefined {
    if (this.#count === 0) return undefined;
    if (name === 'min') return this.#min;
    if (name === 'max') return this.#max;
    if (name === 'sum') return this.#total();
    if (name === 'avg') return this.#total() / this.#count;
    return this.#quantiles?.at(SHARES[name]!);
  }

  // Beyond the largest double the error is not a number any more, and the sum says so by itself.
  #total(): number {
    return Number.isFinite(this.#sum) ? this.#sum + this.#error : this.#sum;
  }

  #addToSum(value: number): void {
    const sum = this.#sum + value;
    this.#error += Math.abs(this.#sum) >= Math.abs(value) ? this.#sum - sum + value : value - sum + this.#sum;
    this.#sum = sum;
  }
}
