import { Best } from '../store/read/best.ts';
import { Quantiles } from './quantiles.ts';
import type { Judgement } from './rate.ts';
import { countOf, scoreOf, spreadOf } from './spread.ts';

/** An unusually long silence between two events. */
export interface GapAnomaly {
  readonly kind: 'gap';
  /** The values of `by`. */
  readonly key: readonly unknown[];
  /** The times of the events before and after it, epoch ms. */
  readonly from: number;
  readonly to: number;
  readonly gapMs: number;
  readonly medianGapMs: number;
  /** The longest gap that would not have been told. */
  readonly usualGapMs: number;
  readonly score: number;
}

/** What one key may tell: its longest ones. */
const LISTED = 10;
/** On the scale of logarithms: gaps that differ by less than a tenth are alike. */
const LEAST_LOG = 0.1;

type Gap = Pick<GapAnomaly, 'from' | 'to' | 'gapMs'>;

/**
 * The gaps between the events of one key, told in time order. Waiting times are skewed: among perfectly random ones
 * every 25th would have a score of 3.5. So it is their logarithms that are judged, ln(1 + ms).
 */
export class Gaps {
  readonly #gaps = new Quantiles();
  readonly #longest = new Best<Gap>(LISTED, (a, b) => b.gapMs - a.gapMs);
  #last: number | undefined;

  /** Whether the time is in order; one that is not is left out. */
  add(time: number): boolean {
    const last = this.#last;
    if (last !== undefined && time < last) return false;
    this.#last = time;
    if (last === undefined) return true;
    const gapMs = time - last;
    this.#gaps.add(gapMs);
    this.#longest.add({ from: last, to: time, gapMs });
    return true;
  }

  /** The ten longest of those that are unusual; `undefined` where there are too few gaps to say. */
  anomalies(
    key: readonly unknown[],
    { threshold, minSamples }: Judgement,
  ): { readonly listed: readonly GapAnomaly[]; readonly found: number } | undefined {
    if (this.#gaps.count < minSamples) return undefined;
    const weights = [...this.#gaps.weights()].map(([gapMs, times]) => [Math.log1p(gapMs), times] as const);
    const spread = spreadOf(weights, LEAST_LOG);
    const found = countOf(weights.filter(([log]) => scoreOf(log, spread) >= threshold));
    const medianGapMs = Math.expm1(spread.median);
    const usualGapMs = Math.expm1(spread.median + threshold * spread.scale);
    const listed = this.#longest
      .take()
      .map((gap) => ({ gap, score: scoreOf(Math.log1p(gap.gapMs), spread) }))
      .filter(({ score }) => score >= threshold)
      .map(({ gap, score }) => ({ kind: 'gap' as const, key, ...gap, medianGapMs, usualGapMs, score }));
    return { listed, found: Math.max(found, listed.length) };
  }
}
