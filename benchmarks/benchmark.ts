import type { Comparison, Pace } from './measure.ts';
import type { Bound, Report } from './report.ts';

/** What a benchmark file exports. Comparisons are made one after the other, so that only one holds memory at a time. */
export interface Benchmark {
  /** `undefined`: it cannot be made here, and a line was printed that says why. */
  readonly comparisons?: readonly ((pace: Pace) => Comparison | undefined | Promise<Comparison | undefined>)[];
  readonly facts?: (quick: boolean) => Promise<Report['facts']>;
  /** As `facts`, with figures that must stay below a bound. */
  readonly bounded?: (
    quick: boolean,
  ) => Promise<{ readonly facts: Report['facts']; readonly bounds: readonly Bound[] }>;
}
