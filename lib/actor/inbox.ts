import type { Envelope } from '../event/envelope.ts';
import { createKeyedMailbox } from '../mailbox/keyed-mailbox.ts';
import type { Mailbox } from '../mailbox/mailbox.ts';
import { isFull, offer, type MailboxLimits } from '../mailbox/overflow.ts';
import { createPlainMailbox } from '../mailbox/plain-mailbox.ts';

/**
 * The mailbox of an actor, with a lane for each instance. A lane is taken while its instance has something to do, or
 * cannot do anything yet. With overflow `wait` publishers wait for room, until that was in vain once.
 */
export class Inbox {
  readonly #limits: MailboxLimits;
  readonly #mailbox: Mailbox<Envelope>;
  /** The only one of an actor without keys, which needs no list of lanes. */
  #lane: 'free' | 'taken' | undefined;
  #patience: 'left' | 'spent' = 'left';

  constructor(limits: MailboxLimits, keyed: boolean) {
    this.#limits = limits;
    this.#mailbox = keyed ? createKeyedMailbox({ evicts: limits.overflow === 'drop-oldest' }) : createPlainMailbox();
    this.#lane = keyed ? undefined : 'free';
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
    if (this.#lane === undefined) return this.#mailbox.acquire(key);
    if (!this.isFree(key)) return false;
    this.#lane = 'taken';
    return true;
  }

  release(key: string): void {
    if (this.#lane === undefined) this.#mailbox.release(key);
    else this.#lane = 'free';
  }

  /** Answers what has to go for it, or the event itself. */
  push(envelope: Envelope, key: string): readonly Envelope[] {
    const replaced = this.#lane && this.#limits.overflow === 'latest-by-key' ? this.#mailbox.clear() : [];
    return [...replaced, ...offer(this.#mailbox, this.#limits, envelope, envelope.bytes, key)];
  }

  /** The next event whose instance is free, whose lane is taken then. */
  take(): { readonly item: Envelope; readonly key: string | undefined } | undefined {
    if (this.#lane === 'taken') return undefined;
    const next = this.#mailbox.take();
    if (this.#lane && next) this.#lane = 'taken';
    return next;
  }

  /** Takes out what waits for an instance, and gives its lane back. */
  empty(key: string): readonly Envelope[] {
    const waiting = this.#lane ? this.#mailbox.clear() : this.#mailbox.evictKey(key);
    this.release(key);
    return waiting;
  }

  /** Would `acquire` succeed? */
  isFree(key: string): boolean {
    return this.#lane === undefined ? this.#mailbox.isFree(key) : this.#lane === 'free' && this.#mailbox.length === 0;
  }

  /** With overflow `wait`: has it no room for this event? */
  isFull({ bytes }: Envelope): boolean {
    return this.#limits.overflow === 'wait' && isFull(this.#mailbox, this.#limits, bytes);
  }

  /** May publishers wait for it? */
  get isPatient(): boolean {
    return this.#patience === 'left';
  }

  giveUp(): void {
    this.#patience = 'spent';
  }

  /** Something has been done with: it goes on. */
  moved(): void {
    this.#patience = 'left';
  }
}
