import type { Envelope } from '../event/envelope.ts';
import type { TelltaleEvent } from '../event/event.ts';
import { offer, type MailboxLimits } from '../mailbox/overflow.ts';
import { createPlainMailbox } from '../mailbox/plain-mailbox.ts';

export interface IteratePort {
  readonly limits: MailboxLimits;
  /** Calls `listener` for every event until undone; `held` says what is buffered. */
  subscribe(
    listener: (envelope: Envelope) => void,
    held: () => { readonly events: number; readonly bytes: number },
  ): () => void;
  /** Calls `ended` when the bus closes or the reader's signal is aborted; returns the undo. */
  onEnd(ended: () => void): () => void;
  /** The buffer had no room for these. */
  lost(envelopes: readonly Envelope[]): void;
  /** The in-band `$bus.lagged` event. */
  lagged(missed: number, from: string, to: string): TelltaleEvent;
  /** What an event fails with that a full buffer turns away, where the policy is `reject`. */
  full(queued: number): Error;
}

interface Missed {
  count: number;
  readonly from: string;
  to: string;
}

type Result = IteratorResult<TelltaleEvent, undefined>;

const DONE: Result = { value: undefined, done: true };

/**
 * Events as an async iterable. Subscribes at once, so nothing between the call and the first `next` is missed.
 * Lagging: a reader slower than its events gets one in-band `$bus.lagged { missed, from, to }` where the gap is.
 * Closing: ends when the bus closes or the signal is aborted, after what was buffered; `break` ends it at once.
 */
export function iterate(port: IteratePort): AsyncIterableIterator<TelltaleEvent> {
  return new EventIterator(port);
}

class EventIterator implements AsyncIterableIterator<TelltaleEvent> {
  readonly #port: IteratePort;
  readonly #buffer = createPlainMailbox<Envelope>();
  readonly #readers: ((result: Result) => void)[] = [];
  readonly #undo: (() => void)[] = [];
  #missed: Missed | undefined;
  #status: 'live' | 'ended' = 'live';

  constructor(port: IteratePort) {
    this.#port = port;
    const held = () => ({ events: this.#buffer.length, bytes: this.#buffer.bytes });
    this.#undo.push(port.subscribe((envelope) => this.#receive(envelope), held));
    this.#undo.push(port.onEnd(() => this.#end()));
  }

  next(): Promise<Result> {
    const ready = this.#ready();
    return ready ? Promise.resolve(ready) : new Promise((resolve) => this.#readers.push(resolve));
  }

  return(): Promise<Result> {
    this.#end();
    this.#buffer.clear();
    this.#missed = undefined;
    return Promise.resolve(DONE);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #receive(envelope: Envelope): void {
    const reader = this.#readers.shift();
    if (reader) return reader({ value: envelope.event, done: false });
    const gone = offer(this.#buffer, this.#port.limits, envelope, envelope.bytes, undefined);
    if (gone.length === 0) return;
    // The newcomer itself was turned away: it fails like any event a handler does not want.
    if (gone[0] === envelope) throw this.#port.full(this.#buffer.length);
    this.#miss(gone);
    this.#port.lost(gone);
  }

  #miss(gone: readonly Envelope[]): void {
    const from = gone[0]!.event.id;
    const to = gone.at(-1)!.event.id;
    if (this.#missed) Object.assign(this.#missed, { count: this.#missed.count + gone.length, to });
    else this.#missed = { count: gone.length, from, to };
  }

  #ready(): Result | undefined {
    if (this.#missed) {
      const { count, from, to } = this.#missed;
      this.#missed = undefined;
      return { value: this.#port.lagged(count, from, to), done: false };
    }
    const taken = this.#buffer.take();
    if (taken) return { value: taken.item.event, done: false };
    return this.#status === 'ended' ? DONE : undefined;
  }

  #end(): void {
    this.#status = 'ended';
    for (const step of this.#undo.splice(0)) step();
    for (const reader of this.#readers.splice(0)) reader(DONE);
  }
}
