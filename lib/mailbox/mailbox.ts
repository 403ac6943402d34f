/**
 * The queue in front of one subscription.
 *
 * Ordering: first in, first out within a lane. Without keys there is one lane, or as many as run at once where order
 * was given up; with keys a lane each, so that a slow key holds back only itself. Capacity: whoever pushes asks
 * `overflow.ts` first; the mailbox itself only counts. Closing: `clear` answers what was waiting.
 */
export interface Mailbox<T> {
  /** Items waiting, without those being handled. */
  readonly length: number;
  readonly bytes: number;
  /** Would `acquire` succeed? */
  isFree(key: string | undefined): boolean;
  /** How many wait under this key; without lanes, all of them. */
  lengthOf(key: string | undefined): number;
  /** Does anything wait for what runs under this key? */
  hasBehind(key: string | undefined): boolean;
  /** Takes the lane for an item that need not wait; false where something of its lane runs or waits. */
  acquire(key: string | undefined): boolean;
  push(item: T, bytes: number, key: string | undefined): void;
  /** The next item whose lane is free; its lane is taken until `release`. */
  take(): { readonly item: T; readonly key: string | undefined } | undefined;
  /** The next item of a lane that is taken already, for those who handle several at once. */
  takeBehind(key: string | undefined): T | undefined;
  release(key: string | undefined): void;
  /** Removes the item that has waited longest. */
  evict(): T | undefined;
  /** Removes and answers the waiting items of one key. */
  evictKey(key: string | undefined): readonly T[];
  clear(): readonly T[];
}
