import type { Envelope } from '../event/envelope.ts';
import { parseField } from '../filter/field.ts';
import { compileFilter } from '../filter/compile.ts';
import { laneKey, KeyFailure } from '../invoke/lane-key.ts';
import type { Handed, LinkEnd } from '../invoke/link-end.ts';
import { Fifo } from '../mailbox/fifo.ts';
import type { BusPort } from './bus-port.ts';
import type { Delivery, Heard } from './delivery.ts';
import type { Interest } from './frames.ts';

export interface HearingPort {
  readonly bus: BusPort;
  /** How many events of it may be with the workers at once. */
  readonly concurrency: number;
  readonly maxBytes: number;
  assign(delivery: Delivery): void;
}

/** Whether a worker of the pool is there for an interest, or is expected back. */
interface Holder {
  id: number;
  status: 'live' | 'expected';
}

interface Held {
  readonly slot: object;
  outstanding: number;
}

/**
 * One interest of a pool's workers: a subscription of the bus whose handler is whichever worker has most free credit.
 * Ordering: as dispatched; events of one key are with one worker at a time, in order, also where that one dies.
 * Capacity: what the workers have no credits for waits in the subscription's mailbox. Failure: as any handler's.
 */
export class Hearing implements Heard, LinkEnd {
  readonly interest: Interest;
  readonly maxBytes: number;
  /** Set where the interest is of one worker alone, and every one hears all. */
  readonly only: object | undefined;
  readonly holders = new Map<object, Holder>();
  /** Waits for credits. */
  readonly queue = new Fifo<Delivery>();
  readonly #port: HearingPort;
  readonly #held = new Map<string, Held>();
  readonly #keyOf: ((envelope: Envelope) => string | undefined) | undefined;
  readonly #undo: () => void;
  #failure: Error | undefined;

  constructor(interest: Interest, only: object | undefined, port: HearingPort) {
    this.interest = interest;
    this.maxBytes = port.maxBytes;
    this.only = only;
    this.#port = port;
    const { pattern, where, group, key, mailbox } = interest;
    const field = key === undefined ? undefined : parseField(key, 'INVALID_OPTION', `\`key\` of on('${pattern}')`);
    this.#keyOf = field && ((envelope) => toKey(laneKey((event) => field.read(event), envelope.event)));
    // A reader in a worker loses what it is too slow for; here nothing can be told in-band.
    const overflow = mailbox.overflow === 'lag' ? 'drop-oldest' : mailbox.overflow;
    this.#undo = port.bus.hear({
      pattern,
      ...(where !== undefined && { where: compileFilter(where) }),
      ...(group !== undefined && { group }),
      // In lanes, one event of a key is out at a time: only where somebody else must know the keys.
      ...(field && (group !== undefined || overflow === 'latest-by-key') && { key: (event) => field.read(event) }),
      concurrency: port.concurrency,
      mailbox: { ...mailbox, overflow },
      link: this,
    });
  }

  /** Was an event that comes from this slot, if it is one, dealt with there? A group's members are chosen here alone. */
  serves(origin: object): boolean {
    if (this.interest.group !== undefined) return false;
    return this.only === undefined ? this.holders.get(origin)?.status === 'live' : this.only === origin;
  }

  get hasFailed(): boolean {
    return this.#failure !== undefined;
  }

  /** What it is called in this worker; undefined while the worker is not there for it. */
  idIn(slot: object): number | undefined {
    const holder = this.holders.get(slot);
    return holder?.status === 'live' ? holder.id : undefined;
  }

  /** The worker that has events of this key in its hands. */
  holderOf(key: string): object | undefined {
    return this.#held.get(key)?.slot;
  }

  hold({ key }: Delivery, slot: object): void {
    if (key === undefined) return;
    const held = this.#held.get(key);
    if (held?.slot === slot) held.outstanding++;
    else this.#held.set(key, { slot, outstanding: 1 });
  }

  release({ key }: Delivery): void {
    if (key === undefined) return;
    const held = this.#held.get(key);
    if (held && --held.outstanding === 0) this.#held.delete(key);
  }

  /** Nobody is there for it any more, for good: everything that comes fails with this. */
  fail(error: Error): void {
    this.#failure = error;
    const waiting = [...this.queue];
    while (this.queue.shift());
    for (const delivery of waiting) this.giveUp(delivery, error);
    // Others of the group take over.
    if (this.interest.group !== undefined) this.#undo();
  }

  /** Hands an event to the other members of its group; without any it fails. */
  giveUp({ envelope, handed, deaths }: Delivery, error: Error): void {
    const { pattern, group } = this.interest;
    if (group !== undefined) {
      this.#undo();
      if (this.#port.bus.giveToGroup(envelope, pattern, group)) return handed.ended(undefined);
    }
    handed.ended({ error, attempts: deaths });
  }

  /** The last worker has unsubscribed: what waits is cancelled, or goes to the rest of its group. */
  end(): void {
    this.#undo();
    const waiting = [...this.queue];
    while (this.queue.shift());
    for (const delivery of waiting) this.cancel(delivery);
  }

  /** Its listeners have unsubscribed: it goes to the rest of its group, if there is one. */
  cancel({ envelope, handed }: Delivery): void {
    const { pattern, group } = this.interest;
    if (group !== undefined) this.#port.bus.giveToGroup(envelope, pattern, group);
    handed.ended(undefined);
  }

  take(handed: Handed): void {
    const { envelope } = handed;
    if (this.#failure) return handed.ended({ error: this.#failure, attempts: 0 });
    if (envelope.origin && this.serves(envelope.origin)) return handed.ended(undefined);
    const key = this.#keyOf?.(envelope);
    this.#port.assign({ hearing: this, handed, envelope, key, deaths: 0 });
  }
}

// What cannot be read has no order to keep.
const toKey = (key: string | KeyFailure): string | undefined => (key instanceof KeyFailure ? undefined : key);
