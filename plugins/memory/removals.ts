import { overlapping, recordRemoval, recordRemovals, subtractRanges } from '../../lib/plugin.ts';
import type { Range, RemovedRange } from '../../lib/plugin.ts';

const BOUND = 'bound';
/** Past the bound by so many, old ranges are joined: seldom, because each time goes through all. */
const EXCESS = 1_024;

/**
 * What was removed, by position. When a range went never changes, so each removal adds at least one. What goes because
 * the log is full adds one with nearly every commit: of those, only the newest `keep` stay apart.
 */
export class Removals {
  readonly #keep: number;
  #ranges: RemovedRange[] = [];
  #bound = 0;

  /** `keep`: of older ones no id is remembered, so that nobody can ask when one event went. */
  constructor(keep: number) {
    this.#keep = keep;
  }

  within(range: Range): readonly RemovedRange[] {
    return overlapping(this.#ranges, range);
  }

  /** Adds sorted ranges, all at once: one by one, each would move all that lie behind it. */
  add(ranges: readonly RemovedRange[]): void {
    this.#ranges = recordRemovals(this.#ranges, ranges);
  }

  /** Adds what of a range is not recorded yet. */
  addBound(range: Range, at: number): void {
    for (const left of subtractRanges([range], this.within(range))) {
      recordRemoval(this.#ranges, { ...left, reason: BOUND, at });
      this.#bound++;
    }
    if (this.#bound > this.#keep + Math.max(EXCESS, this.#keep)) this.#joinOld();
  }

  /** The log is full from its start on, so those with the lowest positions are the oldest. */
  #joinOld(): void {
    const joined: RemovedRange[] = [];
    let excess = this.#bound - this.#keep;
    for (const range of this.#ranges) {
      const before = joined[joined.length - 1];
      const isOld = range.reason === BOUND && excess-- > 0;
      if (isOld && before?.reason === BOUND && before.to + 1 === range.from) {
        joined[joined.length - 1] = { ...range, from: before.from };
        this.#bound--;
      } else joined.push(range);
    }
    this.#ranges = joined;
  }
}
