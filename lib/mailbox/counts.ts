/** What is counted of the events of one mailbox; those that are queued are read off it. */
export interface Counts {
  routed: number;
  handled: number;
  failed: number;
  running: number;
  dropped: number;
  cancelled: number;
}

/** The books of one mailbox: routed = handled + failed + running + queued + dropped + cancelled. */
export interface MailboxFigures {
  readonly routed: number;
  readonly handled: number;
  /** Failed for good: the events are dead letters. */
  readonly failed: number;
  /** Being handled, or waiting for the next attempt. */
  readonly running: number;
  readonly queued: number;
  readonly queuedBytes: number;
  readonly dropped: number;
  /** Were queued when it ended. */
  readonly cancelled: number;
}

export const createCounts = (): Counts => ({ routed: 0, handled: 0, failed: 0, running: 0, dropped: 0, cancelled: 0 });

/** The sums over mailboxes that are no more: routed = handled + failed + dropped + cancelled. */
export type EndedCounts = Pick<MailboxFigures, 'routed' | 'handled' | 'failed' | 'dropped' | 'cancelled'>;

export const NONE_ENDED: EndedCounts = { routed: 0, handled: 0, failed: 0, dropped: 0, cancelled: 0 };

/** Adds the last counts of one more; what was queued then counts as cancelled. */
export const addEnded = (sum: EndedCounts, last: EndedCounts & Pick<MailboxFigures, 'queued'>): EndedCounts => ({
  routed: sum.routed + last.routed,
  handled: sum.handled + last.handled,
  failed: sum.failed + last.failed,
  dropped: sum.dropped + last.dropped,
  cancelled: sum.cancelled + last.cancelled + last.queued,
});
