import { Fifo } from '../mailbox/fifo.ts';
import type { Delivery } from './delivery.ts';
import type { Member } from './member.ts';
import { Supervision, type RestartPolicy } from './supervision.ts';

export type SlotStatus = 'starting' | 'ready' | 'restarting' | 'failed' | 'closed';

/**
 * A place for one worker, which outlives it. Ordering: first what a dead worker had in its hands, one by one with
 * nothing beside it, so that an event which kills is known by its second victim; then what is bound to this worker by
 * its key. Failure: what is here when its last worker is gone belongs to the pool.
 */
export class Slot {
  readonly name: string;
  readonly supervision: Supervision;
  status: SlotStatus = 'starting';
  member: Member | undefined;
  kill: () => void = () => undefined;
  cancelTimer: (() => void) | undefined;
  /** Why its worker is being ended, where the pool does it. */
  verdict: string | undefined;
  wasReady = false;
  restarts = 0;
  handled = 0;
  failed = 0;
  received = 0;
  lastError: Error | undefined;
  readonly #suspects: Delivery[] = [];
  readonly #bound = new Fifo<Delivery>();
  #isolating = false;

  constructor(name: string, restart: RestartPolicy | undefined) {
    this.name = name;
    this.supervision = new Supervision(restart);
  }

  get inFlight(): number {
    return this.member?.inFlight.size ?? 0;
  }

  get waiting(): number {
    return this.#suspects.length + this.#bound.length;
  }

  /** How many events more may be handed to it now. */
  get free(): number {
    return this.#suspects.length > 0 || this.#isolating || this.#bound.length > 0 ? 0 : (this.member?.free ?? 0);
  }

  bind(delivery: Delivery): void {
    this.#bound.push(delivery);
  }

  suspect(deliveries: readonly Delivery[]): void {
    this.#suspects.unshift(...deliveries);
  }

  /** Sends what must go to this worker; answers whether there are credits for more. */
  pump(): boolean {
    const { member } = this;
    if (!member) return false;
    if (member.inFlight.size === 0) this.#isolating = false;
    if (this.#suspects.length > 0 || this.#isolating) {
      if (member.inFlight.size === 0) this.#sendSuspect(member);
      return false;
    }
    while (member.free > 0) {
      const next = this.#bound.peek();
      if (!next) return true;
      if (!this.send(next)) return false;
      this.#bound.shift();
    }
    return false;
  }

  /** False where the worker is not there for it yet. */
  send(delivery: Delivery): boolean {
    const id = delivery.hearing.idIn(this);
    if (id === undefined) return false;
    this.member!.send(delivery, id);
    return true;
  }

  /** The worker is gone: what it had in its hands, in order. */
  bury(): readonly Delivery[] {
    const { member } = this;
    this.member = undefined;
    this.#isolating = false;
    this.cancelTimer?.();
    if (!member) return [];
    this.received += member.received;
    return member.inFlight.clear();
  }

  /** Takes out what waits here and satisfies `which`, in order. */
  release(which: (delivery: Delivery) => boolean): readonly Delivery[] {
    const released = [...this.#suspects, ...this.#bound].filter(which);
    const kept = this.#suspects.filter((delivery) => !which(delivery));
    this.#suspects.splice(0, this.#suspects.length, ...kept);
    this.#bound.retain((delivery) => !which(delivery));
    return released;
  }

  #sendSuspect(member: Member): void {
    if (member.free <= 0) return;
    // One whose listeners have not come back yet holds up no other.
    const at = this.#suspects.findIndex((delivery) => delivery.hearing.idIn(this) !== undefined);
    if (at === -1) return;
    const [next] = this.#suspects.splice(at, 1);
    this.#isolating = true;
    this.send(next!);
  }
}
