import type { LinkEnd } from '../invoke/link-end.ts';
import type { BusPort } from './bus-port.ts';
import type { Delivery } from './delivery.ts';
import { CREDIT_BYTES, type Interest } from './frames.ts';
import { Hearing } from './hearing.ts';
import { sameFor } from './interests.ts';
import type { Slot } from './slot.ts';

export interface HearingsTerms {
  readonly size: number;
  readonly credits: number;
  readonly deliver: 'one' | 'every';
}

/** What the workers of a pool want to hear, and which of them gets what. */
export class Hearings {
  readonly #bus: BusPort;
  readonly #terms: HearingsTerms;
  readonly #slots: readonly Slot[];
  readonly #byKey = new Map<string, Hearing>();
  #turn = 0;

  constructor(bus: BusPort, terms: HearingsTerms, slots: readonly Slot[]) {
    this.#bus = bus;
    this.#terms = terms;
    this.#slots = slots;
  }

  /** Nothing is with the workers, and nothing waits for them. */
  get isIdle(): boolean {
    return (
      this.#slots.every(({ inFlight, waiting }) => inFlight + waiting === 0) &&
      [...this.#byKey.values()].every(({ queue }) => queue.length === 0)
    );
  }

  /** Would this link leave out what comes from that worker? */
  serves(link: LinkEnd, slot: Slot): boolean {
    return link instanceof Hearing && link.serves(slot);
  }

  hear(slot: Slot, interest: Interest): void {
    const { size, credits, deliver } = this.#terms;
    const isOnly = interest.stream === true || (deliver === 'every' && interest.group === undefined);
    const key = `${sameFor(interest)}#${interest.member ?? 0}${isOnly ? `@${this.#slots.indexOf(slot)}` : ''}`;
    let hearing = this.#byKey.get(key);
    if (hearing?.hasFailed) hearing.end();
    if (!hearing || hearing.hasFailed) {
      // As much again waits here, so that credits that come back are used at once.
      const shares = 2 * (isOnly ? 1 : size);
      const port = {
        bus: this.#bus,
        concurrency: shares * credits,
        maxBytes: shares * CREDIT_BYTES,
        assign: (delivery: Delivery) => this.assign(delivery),
      };
      hearing = new Hearing(interest, isOnly ? slot : undefined, port);
      this.#byKey.set(key, hearing);
    }
    hearing.holders.set(slot, { id: interest.id, status: 'live' });
    this.pump(slot);
  }

  unhear(slot: Slot, id: number): void {
    for (const [key, hearing] of this.#byKey) if (hearing.idIn(slot) === id) this.#drop(key, hearing, slot, undefined);
  }

  /** The worker hears nothing more; what it has in its hands it still deals with. */
  leave(slot: Slot): void {
    for (const [key, hearing] of this.#byKey) if (hearing.holders.has(slot)) this.#drop(key, hearing, slot, undefined);
  }

  /** The worker has died and may come back. A reader of everything does not: it was waiting in that worker. */
  expect(slot: Slot): void {
    for (const [key, hearing] of this.#byKey) {
      const holder = hearing.holders.get(slot);
      if (!holder) continue;
      if (hearing.interest.stream === true) this.#drop(key, hearing, slot, undefined);
      else holder.status = 'expected';
    }
  }

  /** Whoever has not come back will not. */
  stopExpecting(slot: Slot, error: Error): void {
    for (const [key, hearing] of this.#byKey)
      if (hearing.holders.get(slot)?.status === 'expected') this.#drop(key, hearing, slot, error);
  }

  /** The worker is gone for good, and this is what it had. */
  orphan(slot: Slot, had: readonly Delivery[], error: Error): void {
    slot.suspect(had);
    for (const [key, hearing] of this.#byKey) if (hearing.holders.has(slot)) this.#drop(key, hearing, slot, error);
    // Of hearings that have ended before.
    for (const delivery of slot.release(() => true)) (delivery.hearing as Hearing).giveUp(delivery, error);
  }

  declined(delivery: Delivery): void {
    delivery.hearing.release(delivery);
    this.assign(delivery);
  }

  assign(delivery: Delivery): void {
    const hearing = delivery.hearing as Hearing;
    if (hearing.holders.size === 0) return hearing.cancel(delivery);
    const { key } = delivery;
    const bound = (hearing.only ?? (key === undefined ? undefined : hearing.holderOf(key))) as Slot | undefined;
    const slot = bound ?? (hearing.queue.length === 0 ? this.#freest(hearing) : undefined);
    if (!slot) return hearing.queue.push(delivery);
    hearing.hold(delivery, slot);
    if (!bound) return void slot.send(delivery);
    slot.bind(delivery);
    slot.pump();
  }

  /** Hands a worker what it has credits for, one interest after the other. */
  pump(slot: Slot): void {
    if (!slot.pump()) return;
    const waiting = [...this.#byKey.values()].filter(
      ({ queue, holders }) => queue.length > 0 && holders.get(slot)?.status === 'live',
    );
    for (let left = waiting; left.length > 0 && slot.free > 0; left = left.filter(({ queue }) => queue.length > 0))
      for (const { queue } of left) if (slot.free > 0) this.assignNext(slot, queue.shift()!);
  }

  assignNext(slot: Slot, delivery: Delivery): void {
    const hearing = delivery.hearing as Hearing;
    const held = delivery.key === undefined ? undefined : (hearing.holderOf(delivery.key) as Slot | undefined);
    hearing.hold(delivery, held ?? slot);
    if (!held || held === slot) return void slot.send(delivery);
    held.bind(delivery);
    held.pump();
  }

  /** Everything ends: what still waits fails. */
  end(error: Error): void {
    for (const hearing of this.#byKey.values()) {
      hearing.fail(error);
      hearing.end();
    }
    this.#byKey.clear();
  }

  // With an error where the worker is gone, without where it has unsubscribed.
  #drop(key: string, hearing: Hearing, slot: Slot, error: Error | undefined): void {
    hearing.holders.delete(slot);
    const waiting = slot.release((delivery) => delivery.hearing === hearing);
    for (const delivery of waiting) hearing.release(delivery);
    if (hearing.holders.size > 0) return this.#handOn(hearing, waiting);
    // A pool that has failed goes on failing what comes, until it is closed; others of a group take over.
    if (error && hearing.interest.stream !== true) {
      for (const delivery of waiting) hearing.giveUp(delivery, error);
      return hearing.fail(error);
    }
    this.#byKey.delete(key);
    for (const delivery of waiting) hearing.cancel(delivery);
    hearing.end();
  }

  #handOn(hearing: Hearing, waiting: readonly Delivery[]): void {
    for (const delivery of waiting) {
      const heir = delivery.deaths > 0 ? ([...hearing.holders.keys()][0] as Slot) : undefined;
      if (!heir) this.assign(delivery);
      else {
        hearing.hold(delivery, heir);
        heir.suspect([delivery]);
        this.pump(heir);
      }
    }
    for (const slot of hearing.holders.keys()) this.pump(slot as Slot);
  }

  // By turns where several have as much.
  #freest(hearing: Hearing): Slot | undefined {
    let found: Slot | undefined;
    const { length } = this.#slots;
    this.#turn = (this.#turn + 1) % length;
    for (let i = 0; i < length; i++) {
      const slot = this.#slots[(this.#turn + i) % length]!;
      if (slot.free > (found?.free ?? 0) && hearing.idIn(slot) !== undefined) found = slot;
    }
    return found;
  }
}
