import type { Envelope } from '../event/envelope.ts';
import { createKeyedMailbox } from '../mailbox/keyed-mailbox.ts';
import type { Mailbox } from '../mailbox/mailbox.ts';
import { isFull, offer, type MailboxLimits } from '../mailbox/overflow.ts';

/**
 * The mailbox of an actor, with a lane for each instance. A lane is taken while its instance has something to do, or
 * cannot do anything yet. With overflow `wait` publishers wait for room, until that was in vain once.
 */
export class Inbox {
  readonly #limits: MailboxLimits;
  readonly #mailbox: Mailbox<Envelope>;
  #patience: 'left' | 'spent' = 'left';

  constructor(limits: MailboxLimits) {
    this.#limits = limits;
    this.#mailbox = createKeyedMailbox({ evicts: limits.overflow === 'drop-oldest' });
  }

  get length(): number {
    return this.#mailbox.length;
  }

  get bytes(): number {
    return this.#mailbox.bytes;
  }

  lengthOf(key: string): number {
    return this.#mailbox.lengthOf(key);
  }

  /** Takes the lane of an instance; false where it is taken, or something waits. */
  acquire(key: string): boolean {
    return this.#mailbox.acquire(key);
  }

  release(key: string): void {
    this.#mailbox.release(key);
  }

  /** Answers what has to go for it, or the event itself. */
  push(envelope: Envelope, key: string): readonly Envelope[] {
    return offer(this.#mailbox, this.#limits, envelope, envelope.bytes, key);
  }

  /** The next event whose instance is free, whose lane is taken then. */
  take(): { readonly item: Envelope; readonly key: string | undefined } | undefined {
    return this.#mailbox.take();
  }

  /** Takes out what waits for an instance, and gives its lane back. */
  empty(key: string): readonly Envelope[] {
    const waiting = this.#mailbox.evictKey(key);
    this.#mailbox.release(key);
    return waiting;
  }

  /** Has it no room for this event, and should its publisher wait? */
  congested({ bytes }: Envelope): boolean {
    return this.#limits.overflow === 'wait' && this.#patience === 'left' && isFull(this.#mailbox, this.#limits, bytes);
  }

  giveUp(): void {
    this.#patience = 'spent';
  }

  /** Something has been done with: it goes on. */
  moved(): void {
    this.#patience = 'left';
  }
}
