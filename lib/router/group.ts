import type { Envelope } from '../event/envelope.ts';
import type { Subscription } from './subscription.ts';
import type { Target } from './target.ts';

interface Held {
  readonly member: Subscription;
  outstanding: number;
}

/**
 * Subscriptions of one pattern that share its events: exactly one live member gets each. Ordering: while events of a
 * key are outstanding, the next of that key goes to the same member; otherwise the least loaded one is picked, by
 * turns. Closing: what a removed member had queued goes to the others.
 */
export class Group implements Target {
  readonly #members: Subscription[] = [];
  readonly #held = new Map<string, Held>();
  readonly #keyOf: ((event: Envelope['event']) => unknown) | undefined;
  #turn = 0;

  constructor(keyOf: ((event: Envelope['event']) => unknown) | undefined) {
    this.#keyOf = keyOf;
  }

  get size(): number {
    return this.#members.length;
  }

  add(member: Subscription): void {
    this.#members.push(member);
  }

  remove(member: Subscription, queued: readonly Envelope[]): void {
    const index = this.#members.indexOf(member);
    if (index >= 0) this.#members.splice(index, 1);
    for (const [key, held] of this.#held) if (held.member === member) this.#held.delete(key);
    for (const envelope of queued) this.offer(envelope);
  }

  congested(envelope: Envelope): boolean {
    const able = this.#members.filter((member) => member.live && member.accepts(envelope.event));
    return able.length > 0 && able.every((member) => member.congested(envelope));
  }

  offer(envelope: Envelope): void {
    const key = this.#keyText(envelope);
    const held = key === undefined ? undefined : this.#held.get(key);
    const member = held?.member.live && held.member.accepts(envelope.event) ? held.member : this.#leastLoaded(envelope);
    if (!member) return;
    if (key !== undefined) this.#hold(key, member);
    member.take(envelope);
  }

  /** To be called once for every event a member has done with. */
  ended(envelope: Envelope): void {
    const key = this.#keyText(envelope);
    const held = key === undefined ? undefined : this.#held.get(key);
    if (key !== undefined && held && --held.outstanding === 0) this.#held.delete(key);
  }

  #hold(key: string, member: Subscription): void {
    const held = this.#held.get(key);
    if (held?.member === member) held.outstanding++;
    else this.#held.set(key, { member, outstanding: 1 });
  }

  #leastLoaded(envelope: Envelope): Subscription | undefined {
    let found: Subscription | undefined;
    const count = this.#members.length;
    for (let i = 0; i < count; i++) {
      const member = this.#members[(this.#turn + i) % count]!;
      if (!member.live || !member.accepts(envelope.event)) continue;
      if (!found || member.load < found.load) found = member;
    }
    this.#turn = count === 0 ? 0 : (this.#turn + 1) % count;
    return found;
  }

  // A key that cannot be read is the member's failure to report; here it only means that the event has none.
  #keyText(envelope: Envelope): string | undefined {
    if (this.#keyOf === undefined) return undefined;
    try {
      return JSON.stringify(this.#keyOf(envelope.event));
    } catch {
      return undefined;
    }
  }
}
