import type { Envelope } from '../event/envelope.ts';
import type { Fifo } from '../mailbox/fifo.ts';
import { createKeyedMailbox } from '../mailbox/keyed-mailbox.ts';
import type { Mailbox } from '../mailbox/mailbox.ts';
import { isFull, offer, type MailboxLimits } from '../mailbox/overflow.ts';
import { createPlainMailbox } from '../mailbox/plain-mailbox.ts';
import { StashRoom } from './stash-room.ts';

/** What waits for one instance beside the mailbox. */
export interface Aside {
  readonly key: string;
  readonly stashed: Envelope[];
  /** Unstashed, or brought by a consumer: comes before what waits in the mailbox. */
  readonly front: Fifo<Envelope>;
}

/**
 * Everything that waits for the instances of an actor: its mailbox, with a lane for each of them, and what they have put
 * off. A lane is taken while its instance has something to do, or cannot do anything yet. With overflow `wait` publishers
 * wait for room, until that was in vain once.
 */
export class Inbox {
  readonly #limits: MailboxLimits;
  readonly #mailbox: Mailbox<Envelope>;
  /** The only one of an actor without keys, which needs no list of lanes. */
  #lane: 'free' | 'taken' | undefined;
  #patience: 'left' | 'spent' = 'left';
  #ahead = 0;
  /** For what was put off. */
  readonly stashRoom: StashRoom;

  constructor(limits: MailboxLimits, keyed: boolean) {
    this.#limits = limits;
    this.stashRoom = new StashRoom(limits);
    this.#mailbox = keyed ? createKeyedMailbox({ evicts: limits.overflow === 'drop-oldest' }) : createPlainMailbox();
    this.#lane = keyed ? undefined : 'free';
  }

  /** What is to be handled as soon as its instance is free. */
  get length(): number {
    return this.#mailbox.length + this.#ahead;
  }

  get queued(): number {
    return this.#mailbox.length + this.stashRoom.length;
  }

  get queuedBytes(): number {
    return this.#mailbox.bytes + this.stashRoom.bytes;
  }

  queuedOf({ key, front, stashed }: Aside): number {
    return this.#mailbox.lengthOf(key) + front.length + stashed.length;
  }

  /** A consumer has brought it. */
  bring(aside: Aside, envelope: Envelope): void {
    this.stash(aside, envelope);
    this.unstash(aside);
  }

  stash({ stashed }: Aside, envelope: Envelope): void {
    stashed.push(envelope);
    this.stashRoom.take(envelope);
  }

  unstash({ stashed, front }: Aside): void {
    this.#ahead += stashed.length;
    for (const one of stashed.splice(0)) front.push(one);
  }

  /** The next of those in front. */
  next({ front }: Aside): Envelope | undefined {
    const next = front.shift();
    if (next === undefined) return undefined;
    this.#ahead--;
    this.stashRoom.leave(next);
    return next;
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

  /** Is there something to take, unless the lanes of all that waits are taken? */
  get mayTake(): boolean {
    return this.#lane !== 'taken' && this.#mailbox.length > 0;
  }

  /** Takes out what waits for an instance, and gives its lane back. */
  empty(aside: Aside): readonly Envelope[] {
    const { key } = aside;
    this.unstash(aside);
    const put: Envelope[] = [];
    for (let next = this.next(aside); next; next = this.next(aside)) put.push(next);
    const waiting = this.#lane ? this.#mailbox.clear() : this.#mailbox.evictKey(key);
    this.release(key);
    return [...put, ...waiting];
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
