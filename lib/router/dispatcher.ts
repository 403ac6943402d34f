import type { Clock } from '../clock.ts';
import { runWithCause } from '../context.ts';
import { TelltaleError } from '../errors.ts';
import type { Envelope, Recipient } from '../event/envelope.ts';
import { Fifo } from '../mailbox/fifo.ts';
import { Budget, type Paused, type Turn } from '../mailbox/turn.ts';
import type { Target } from './target.ts';

export interface DispatcherPort {
  readonly clock: Clock;
  readonly turn: Turn;
  readonly limits: { readonly max: number; readonly maxBytes: number };
  targets(type: string): readonly Target[];
  /** Is there any target that asks publishers to wait? */
  hasWaiters(): boolean;
  /** Called for every dispatched event, with the number of targets. */
  dispatched(envelope: Envelope, targets: number): void;
  /** How long one dispatch took, for every 64th. */
  timed(ms: number): void;
  /** Nothing waits and nothing is being dispatched. */
  idle(): void;
}

const TIMED_DISPATCHES = 64;
/** How long full mailboxes with overflow `wait` may hold the dispatch back; then they turn away until a handler ends. */
const WAIT_MS = 5_000;

/**
 * The ingress and the loop behind it. Ordering: one FIFO, breadth-first: what a handler emits is dispatched after the
 * current event has reached every target. Capacity: bounded in events and bytes, with a reserve of the same size for
 * what handlers emit; callers ask `room` first. Failure: targets never throw.
 */
export class Dispatcher {
  readonly #port: DispatcherPort;
  readonly #queue = new Fifo<Envelope>();
  readonly #room = new Fifo<{ readonly bytes: number; enter: () => void }>();
  /** For the chain behind one event that is pushed: whoever pushes has the event loop, and what others spent is not his. */
  readonly #budget: Budget;
  readonly #paused: Paused = { resume: () => this.#drain(this.#port.turn) };
  #bytes = 0;
  #count = 0;
  #status: 'idle' | 'dispatching' | 'yielding' | 'waiting' = 'idle';
  #matched: readonly Recipient[] = [];
  #stopWaiting: (() => void) | undefined;

  constructor(port: DispatcherPort) {
    this.#port = port;
    this.#budget = new Budget(port.clock);
  }

  get queued(): { readonly events: number; readonly bytes: number } {
    return { events: this.#queue.length, bytes: this.#bytes };
  }

  get isIdle(): boolean {
    return this.#status === 'idle' && this.#room.length === 0;
  }

  /** Rises with every event that has targets; the number of the current one while it is being dispatched. */
  get dispatches(): number {
    return this.#count;
  }

  /** Is there room for an event of this size? Handlers have the reserve; publishers that wait go before new events. */
  room(bytes: number, fromHandler: boolean): boolean {
    if (this.#queue.length === 0 && (fromHandler || this.#room.length === 0)) return true;
    const { max, maxBytes } = this.#port.limits;
    if (fromHandler) return this.#queue.length < 2 * max && this.#bytes + bytes <= 2 * maxBytes;
    return this.#room.length === 0 && this.#queue.length < max && this.#bytes + bytes <= maxBytes;
  }

  /** The error of whoever found no room. */
  fullError(): TelltaleError {
    const { events, bytes } = this.queued;
    const { max, maxBytes } = this.#port.limits;
    const text = `ingress full: ${events} of ${max} events and ${bytes} of ${maxBytes} bytes wait to be dispatched; publish() waits for room`;
    return new TelltaleError('INGRESS_FULL', text, { details: { events, bytes, max, maxBytes } });
  }

  /**
   * Calls `enter` when it is this caller's turn and there is room; it pushes at once, so that nobody comes in between.
   * Returns the undo.
   */
  whenRoom(bytes: number, enter: () => void): () => void {
    const place = { bytes, enter };
    this.#room.push(place);
    return () => {
      place.enter = () => undefined;
    };
  }

  push(envelope: Envelope): void {
    if (this.#status !== 'idle') return this.#enqueue(envelope);
    this.#status = 'dispatching';
    if (this.#port.hasWaiters() && this.#mustWait(envelope)) {
      this.#enqueue(envelope);
      return this.#waitFor(envelope);
    }
    this.#dispatch(envelope);
    if (this.#queue.length === 0) return this.#rest();
    this.#budget.begin();
    this.#drain(this.#budget);
  }

  /** Takes out what was not dispatched yet. */
  clear(): readonly Envelope[] {
    const rest = [...this.#queue];
    while (this.#queue.shift());
    this.#bytes = 0;
    // Whoever dispatches or was about to comes to rest by himself.
    if (this.#status === 'waiting') {
      this.#stopWaiting?.();
      this.#drain(this.#port.turn);
    }
    return rest;
  }

  /** A mailbox has room again. */
  eased(): void {
    if (this.#status !== 'waiting') return;
    const first = this.#queue.peek();
    if (first && this.#mustWait(first)) return;
    this.#stopWaiting?.();
    this.#drain(this.#port.turn);
  }

  #enqueue(envelope: Envelope): void {
    this.#queue.push(envelope);
    this.#bytes += envelope.bytes;
  }

  #drain(budget: Pick<Budget, 'spend'>): void {
    this.#status = 'dispatching';
    for (;;) {
      const next = this.#queue.peek();
      if (!next && this.#room.length === 0) return this.#rest();
      if (!budget.spend()) return this.#yield();
      if (next) {
        if (this.#port.hasWaiters() && this.#mustWait(next)) return this.#waitFor(next);
        this.#queue.shift();
        this.#bytes -= next.bytes;
        this.#dispatch(next);
      }
      if (this.#room.length > 0) this.#letIn();
    }
  }

  #dispatch(envelope: Envelope): void {
    const recipients = this.#recipients(envelope);
    this.#port.dispatched(envelope, recipients.length);
    if (recipients.length === 0) return;
    this.#matched = recipients;
    if (this.#count++ % TIMED_DISPATCHES !== 0) return runWithCause(envelope, this.#deliver, envelope);
    const started = this.#port.clock.monotonic();
    runWithCause(envelope, this.#deliver, envelope);
    this.#port.timed(this.#port.clock.monotonic() - started);
  }

  // One context for all targets of an event: entering it is the dearest step of a delivery.
  readonly #deliver = (envelope: Envelope): void => {
    const recipients = this.#matched;
    for (let i = 0; i < recipients.length; i++) recipients[i]!.offer(envelope);
  };

  /** Those who hear its type, then whom it is told to. */
  #recipients(envelope: Envelope): readonly Recipient[] {
    const targets = this.#port.targets(envelope.event.type);
    return envelope.to === undefined ? targets : [...targets, envelope.to];
  }

  #rest(): void {
    this.#status = 'idle';
    this.#port.idle();
  }

  #yield(): void {
    this.#status = 'yielding';
    this.#port.turn.next(this.#paused);
  }

  #mustWait(envelope: Envelope): boolean {
    return this.#recipients(envelope).some((recipient) => recipient.congested(envelope));
  }

  #waitFor(envelope: Envelope): void {
    this.#status = 'waiting';
    this.#stopWaiting = this.#port.clock.after(WAIT_MS, () => {
      for (const recipient of this.#recipients(envelope)) recipient.giveUp(envelope);
      this.#drain(this.#port.turn);
    });
  }

  // Counted here: an event that is dispatched when it is stored takes up its room without being pushed yet.
  #letIn(): void {
    const { max, maxBytes } = this.#port.limits;
    let events = this.#queue.length;
    let bytes = this.#bytes;
    for (let next = this.#room.peek(); next; next = this.#room.peek()) {
      if (events > 0 && (events >= max || bytes + next.bytes > maxBytes)) return;
      this.#room.shift();
      events++;
      bytes += next.bytes;
      next.enter();
    }
  }
}
