import { addEnded, NONE_ENDED, type EndedCounts, type MailboxFigures } from '../mailbox/counts.ts';

/** The books of one subscription. */
export interface SubscriptionFigures extends MailboxFigures {
  readonly pattern: string;
  readonly group?: string;
  /** What is kept: dispatch order, with `from` that of the log, that within a key, or none (`concurrency` without `key` gives it up). */
  readonly order: 'dispatch' | 'position' | 'key' | 'none';
}

/** The books of all subscriptions that were removed and have ended: routed = handled + failed + dropped + cancelled. */
export interface RemovedFigures extends EndedCounts {
  readonly subscriptions: number;
}

export const NONE_REMOVED: RemovedFigures = { subscriptions: 0, ...NONE_ENDED };

/** Adds the last figures of one more; what a reader had not read yet counts as cancelled. */
export const addRemoved = (sum: RemovedFigures, last: SubscriptionFigures): RemovedFigures => ({
  subscriptions: sum.subscriptions + 1,
  ...addEnded(sum, last),
});
