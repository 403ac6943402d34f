import type { Comparison, Pace } from './measure.ts';
import type { Bound, Report } from './report.ts';

/** What a benchmark file exports. Comparisons are made one after the other, so that only one holds memory at a time. */
export interface Benchmark {
  readonly comparisons?: readonly ((pace: Pace) => Comparison | Promise<Comparison>)[];
  readonly facts?: (quick: boolean) => Promise<Report['facts']>;
  /** As `facts`, with figures that must stay below a bound. */
  readonly bounded?: (
    quick: boolean,
  ) => Promise<{ readonly facts: Report['facts']; readonly bounds: readonly Bound[] }>;
}
