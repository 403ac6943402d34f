/** The books of one subscription: routed = handled + failed + running + queued + dropped + cancelled. */
export interface SubscriptionFigures {
  readonly pattern: string;
  readonly group?: string;
  /** What is kept: dispatch order, with `from` that of the log, that within a key, or none (`concurrency` without `key` gives it up). */
  readonly order: 'dispatch' | 'position' | 'key' | 'none';
  readonly routed: number;
  readonly handled: number;
  readonly failed: number;
  readonly running: number;
  readonly queued: number;
  readonly queuedBytes: number;
  readonly dropped: number;
  readonly cancelled: number;
}

/** The books of all subscriptions that were removed and have ended: routed = handled + failed + dropped + cancelled. */
export interface RemovedFigures {
  readonly subscriptions: number;
  readonly routed: number;
  readonly handled: number;
  readonly failed: number;
  readonly dropped: number;
  readonly cancelled: number;
}

export const NONE_REMOVED: RemovedFigures = {
  subscriptions: 0,
  routed: 0,
  handled: 0,
  failed: 0,
  dropped: 0,
  cancelled: 0,
};

/** Adds the last figures of one more; what a reader had not read yet counts as cancelled. */
export function addRemoved(sum: RemovedFigures, last: SubscriptionFigures): RemovedFigures {
  return {
    subscriptions: sum.subscriptions + 1,
    routed: sum.routed + last.routed,
    handled: sum.handled + last.handled,
    failed: sum.failed + last.failed,
    dropped: sum.dropped + last.dropped,
    cancelled: sum.cancelled + last.cancelled + last.queued,
  };
}

/** The part of the books that is counted; queued and running are read off the mailbox. */
export interface Counts {
  routed: number;
  handled: number;
  failed: number;
  running: number;
  dropped: number;
  cancelled: number;
}

export const createCounts = (): Counts => ({ routed: 0, handled: 0, failed: 0, running: 0, dropped: 0, cancelled: 0 });
