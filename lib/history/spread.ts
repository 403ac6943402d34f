/** Values with how many they are, rising. */
export type Weights = readonly (readonly [value: number, times: number])[];

/** What is usual among many values, whatever a few of them are. */
export interface Spread {
  readonly median: number;
  /** Median of the absolute deviations from the median. */
  readonly mad: number;
  /** What one point of score is worth: the standard deviation, if the values were normal. */
  readonly scale: number;
}

/** The third quartile of the standard normal distribution: MAD / 0.6745 is its standard deviation. */
const NORMAL_MAD = 0.6745;
/** √(π/2): the same for the mean absolute deviation. */
const NORMAL_MEAN_DEVIATION = 1.2533;

/**
 * Median and MAD, for the robust z-score 0.6745 · (x − median) / MAD (B. Iglewicz, D. Hoaglin: "How to Detect and
 * Handle Outliers", ASQC Basic References in Quality Control 16, 1993). Where more than half of the values are the same,
 * MAD is 0 and the mean absolute deviation takes its place. One point is never worth less than `least`: among values
 * that are all but equal, the smallest difference would otherwise be an outlier.
 */
export function spreadOf(weights: Weights, least: number): Spread {
  const median = medianOf(weights);
  const deviations = weights.map(([value, times]) => [Math.abs(value - median), times] as const);
  const mad = medianOf(deviations.toSorted(([a], [b]) => a - b));
  const scale = mad > 0 ? mad / NORMAL_MAD : meanOf(deviations) * NORMAL_MEAN_DEVIATION;
  return { median, mad, scale: Math.max(scale, least) };
}

export function scoreOf(value: number, { median, scale }: Spread): number {
  return (value - median) / scale;
}

export function countOf(weights: Weights): number {
  return weights.reduce((sum, [, times]) => sum + times, 0);
}

function medianOf(weights: Weights): number {
  const count = countOf(weights);
  const upper = nth(weights, Math.floor(count / 2));
  return count % 2 === 1 ? upper : (nth(weights, count / 2 - 1) + upper) / 2;
}

/** From 0. */
function nth(weights: Weights, place: number): number {
  let left = place;
  for (const [value, times] of weights) {
    if (left < times) return value;
    left -= times;
  }
  return Number.NaN;
}

function meanOf(weights: Weights): number {
  return weights.reduce((sum, [value, times]) => sum + value * times, 0) / countOf(weights);
}
