/** What is counted of the events of one mailbox; those that are queued are read off it. */
export interface Counts {
  routed: number;
  handled: number;
  failed: number;
  running: number;
  dropped: number;
  cancelled: number;
}

export const createCounts = (): Counts => ({ routed: 0, handled: 0, failed: 0, running: 0, dropped: 0, cancelled: 0 });

/** The sums over mailboxes that are no more: routed = handled + failed + dropped + cancelled. */
export interface EndedCounts {
  readonly routed: number;
  readonly handled: number;
  readonly failed: number;
  readonly dropped: number;
  readonly cancelled: number;
}

export const NONE_ENDED: EndedCounts = { routed: 0, handled: 0, failed: 0, dropped: 0, cancelled: 0 };

/** Adds the last counts of one more; what was queued then counts as cancelled. */
export const addEnded = (sum: EndedCounts, last: EndedCounts & { readonly queued: number }): EndedCounts => ({
  routed: sum.routed + last.routed,
  handled: sum.handled + last.handled,
  failed: sum.failed + last.failed,
  dropped: sum.dropped + last.dropped,
  cancelled: sum.cancelled + last.cancelled + last.queued,
});
