import { runWithCause } from '../context.ts';
import type { Envelope } from '../event/envelope.ts';
import type { TelltaleEvent } from '../event/event.ts';
import { KeyFailure, laneKey } from '../invoke/lane-key.ts';
import type { Subscription } from './subscription.ts';
import type { Target } from './target.ts';

interface Held {
  readonly member: Subscription;
  outstanding: number;
}

/**
 * Subscriptions of one pattern that share its events: exactly one live member gets each. Ordering: while events of a
 * key are outstanding, the next of that key goes to the same member; otherwise to the one with most free credit, by
 * turns. The key is that of the member that joined first. Closing: what a removed member had queued goes to the others;
 * a handler of it that still runs no longer holds its key.
 */
export class Group implements Target {
  /** Members, and the first dispatch each takes part in. */
  readonly #members = new Map<Subscription, number>();
  readonly #held = new Map<string, Held>();
  /** Keys of outstanding events: asked for once, because a key function may answer differently later. */
  readonly #keys = new Map<Envelope, string>();
  readonly #keyOf: ((event: TelltaleEvent) => unknown) | undefined;
  readonly #dispatches: () => number;
  #turn = 0;

  constructor(keyOf: ((event: TelltaleEvent) => unknown) | undefined, dispatches: () => number) {
    this.#keyOf = keyOf;
    this.#dispatches = dispatches;
  }

  get size(): number {
    return this.#members.size;
  }

  add(member: Subscription): void {
    this.#members.set(member, this.#dispatches() + 1);
  }

  remove(member: Subscription, queued: readonly Envelope[]): void {
    this.#members.delete(member);
    for (const [key, held] of this.#held) if (held.member === member) this.#held.delete(key);
    for (const envelope of queued) {
      this.#keys.delete(envelope);
      runWithCause(envelope, () => this.#give(envelope, [...this.#members.keys()]), undefined);
    }
  }

  // One member that may still be waited for is enough, although nobody waits for another that hangs.
  congested(envelope: Envelope): boolean {
    const able = this.#present().filter((member) => member.live && member.accepts(envelope.event));
    return able.every((member) => member.isFull(envelope)) && able.some((member) => member.congested(envelope));
  }

  giveUp(envelope: Envelope): void {
    if (this.congested(envelope)) for (const member of this.#present()) member.giveUp(envelope);
  }

  wants(event: TelltaleEvent): boolean {
    return [...this.#members.keys()].some((member) => member.wants(event));
  }

  again(envelope: Envelope): void {
    this.#give(envelope, [...this.#members.keys()]);
  }

  offer(envelope: Envelope): void {
    this.#give(envelope, this.#present());
  }

  /** To be called once for every event a member has done with. */
  ended(member: Subscription, envelope: Envelope): void {
    const key = this.#keys.get(envelope);
    if (key === undefined) return;
    const held = this.#held.get(key);
    // Of a removed member: the key is another's now, or nobody's.
    if (held?.member !== member) return;
    this.#keys.delete(envelope);
    if (--held.outstanding === 0) this.#held.delete(key);
  }

  // Whoever joins during a dispatch takes part from the next one.
  #present(): Subscription[] {
    const now = this.#dispatches();
    return [...this.#members].filter(([, from]) => from <= now).map(([member]) => member);
  }

  #give(envelope: Envelope, members: readonly Subscription[]): void {
    const key = this.#keyText(envelope);
    const held = key === undefined ? undefined : this.#held.get(key);
    const member =
      held?.member.live && held.member.accepts(envelope.event) ? held.member : this.#pick(envelope, members);
    if (!member) return envelope.retelling?.dropped(envelope);
    if (key !== undefined) this.#hold(envelope, key, member);
    member.take(envelope);
  }

  #hold(envelope: Envelope, key: string, member: Subscription): void {
    this.#keys.set(envelope, key);
    const held = this.#held.get(key);
    if (held?.member === member) held.outstanding++;
    else this.#held.set(key, { member, outstanding: 1 });
  }

  #pick(envelope: Envelope, members: readonly Subscription[]): Subscription | undefined {
    let found: Subscription | undefined;
    const count = members.length;
    for (let i = 0; i < count; i++) {
      const member = members[(this.#turn + i) % count]!;
      if (!member.live || !member.accepts(envelope.event)) continue;
      if (!found || member.credit > found.credit) found = member;
    }
    this.#turn = count === 0 ? 0 : (this.#turn + 1) % count;
    return found;
  }

  // A key that cannot be read is the member's failure to report; here it only means that the event has none.
  #keyText(envelope: Envelope): string | undefined {
    if (this.#keyOf === undefined) return undefined;
    const key = laneKey(this.#keyOf, envelope.event);
    return key instanceof KeyFailure ? undefined : key;
  }
}
