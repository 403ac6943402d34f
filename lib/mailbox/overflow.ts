import type { Mailbox } from './mailbox.ts';

/** What happens to an event for which a mailbox has no room. */
export type Overflow = 'reject' | 'drop-oldest' | 'latest-by-key' | 'wait' | 'lag';

export interface MailboxLimits {
  readonly max: number;
  readonly maxBytes: number;
  readonly overflow: Overflow;
}

export const DEFAULT_MAILBOX: MailboxLimits = { max: 10_000, maxBytes: 16 * 1024 * 1024, overflow: 'reject' };

/** Does one more item of this size exceed the limits? An empty mailbox takes any single item. */
export function isFull<T>(mailbox: Mailbox<T>, limits: MailboxLimits, bytes: number): boolean {
  return mailbox.length >= limits.max || (mailbox.length > 0 && mailbox.bytes + bytes > limits.maxBytes);
}

/**
 * Queues an item by the policy. Answers the items that had to go: nothing when there was room, the item itself when
 * it was turned away, older ones when they made room for it.
 */
export function offer<T>(
  mailbox: Mailbox<T>,
  limits: MailboxLimits,
  item: T,
  bytes: number,
  key: string | undefined,
): readonly T[] {
  const replaced = limits.overflow === 'latest-by-key' ? mailbox.evictKey(key) : [];
  if (!isFull(mailbox, limits, bytes)) {
    mailbox.push(item, bytes, key);
    return replaced;
  }
  if (limits.overflow !== 'drop-oldest' && limits.overflow !== 'lag') return [...replaced, item];
  const dropped: T[] = [];
  while (mailbox.length > 0 && isFull(mailbox, limits, bytes)) dropped.push(mailbox.evict()!);
  mailbox.push(item, bytes, key);
  return dropped;
}
