import type { Clock } from '../clock.ts';
import { TelltaleError } from '../errors.ts';
import type { Envelope } from '../event/envelope.ts';
import type { TelltaleEvent } from '../event/event.ts';
import { retryDelayMs, type RetryPolicy } from '../retry.ts';
import type { AppendReceipt, Expectation, PendingAppend, Store } from './port.ts';

/** How a write ended: in the log, turned away by it for good, or not written because the store has stopped. */
export type WriteOutcome =
  | { readonly status: 'stored'; readonly receipt: AppendReceipt }
  | { readonly status: 'refused' | 'failed'; readonly error: TelltaleError };

export interface WriteOptions {
  readonly expect?: Expectation;
  /** Every id was made by this bus just now. */
  readonly fresh: boolean;
  /** Called once, in the order of writing. */
  readonly done?: (outcome: WriteOutcome) => void;
}

export interface WriterPort {
  readonly store: Store;
  readonly clock: Clock;
  readonly limits: { readonly events: number; readonly bytes: number };
  /** Every write, before its own `done`. */
  ended(envelopes: readonly Envelope[], outcome: WriteOutcome): void;
  /** The store could not take a commit; it is tried again in `retryMs`. */
  unavailable(error: TelltaleError, attempt: number, retryMs: number): void;
  /** The store has stopped for good. */
  stopped(error: TelltaleError): void;
}

const BACKOFF: RetryPolicy = { attempts: Infinity, delayMs: 100, factor: 2, maxDelayMs: 30_000, jitter: 0.2 };

class Write implements PendingAppend {
  readonly events: readonly TelltaleEvent[];
  readonly envelopes: readonly Envelope[];
  readonly bytes: number;
  readonly admitted: boolean;
  readonly expect?: Expectation;
  fresh: boolean;
  readonly done: ((outcome: WriteOutcome) => void) | undefined;
  readonly #writer: Writer;

  constructor(writer: Writer, envelopes: readonly Envelope[], options: WriteOptions) {
    this.#writer = writer;
    this.envelopes = envelopes;
    this.events = envelopes.length === 1 ? [envelopes[0]!.event] : envelopes.map((envelope) => envelope.event);
    this.bytes = envelopes.length === 1 ? envelopes[0]!.bytes : envelopes.reduce((sum, { bytes }) => sum + bytes, 0);
    this.admitted = envelopes.every((envelope) => envelope.admitted);
    if (options.expect !== undefined) this.expect = options.expect;
    this.fresh = options.fresh;
    this.done = options.done;
  }

  acknowledged(receipt: AppendReceipt): void {
    this.#writer.end(this, { status: 'stored', receipt });
  }

  failed(error: TelltaleError): void {
    this.#writer.failed(this, error);
  }
}

/**
 * Writes behind the dispatch. Ordering: events reach the store in the order of `write`, also after an outage: a
 * failed commit fails everything queued behind it, all of it is held here and sent again in order, with the same ids
 * and looked up. Capacity: `full` answers an error once the backlog has reached its limit; callers ask before they
 * deliver. Failure: `STORE_FAILED` is never tried again. Closing: `flush`, then close the store.
 */
export class Writer {
  readonly #port: WriterPort;
  /** Not acknowledged yet, in order. */
  readonly #pending = new Set<Write>();
  #held: Write[] = [];
  #events = 0;
  #bytes = 0;
  #attempt = 0;
  #stopped: TelltaleError | undefined;
  #lastError: TelltaleError | undefined;
  #cancelRetry: (() => void) | undefined;
  readonly #flushes = new Set<{ readonly last: Write; resolve: () => void; reject: (error: TelltaleError) => void }>();

  constructor(port: WriterPort) {
    this.#port = port;
  }

  get backlog(): { readonly events: number; readonly bytes: number } {
    return { events: this.#events, bytes: this.#bytes };
  }

  get state(): 'flowing' | 'retrying' | 'stopped' {
    if (this.#stopped) return 'stopped';
    return this.#attempt > 0 ? 'retrying' : 'flowing';
  }

  get lastError(): TelltaleError | undefined {
    return this.#lastError;
  }

  /** Why nothing more can be written now; undefined while there is room. */
  full(): TelltaleError | undefined {
    if (this.#stopped) return stoppedError(this.#stopped);
    const { events, bytes } = this.#port.limits;
    if (this.#events < events && this.#bytes < bytes) return undefined;
    const text = `the store's backlog is full: ${this.#events} of ${events} events, ${this.#bytes} of ${bytes} bytes wait to be written`;
    return new TelltaleError('STORE_BACKLOG_FULL', text, this.#lastError ? { cause: this.#lastError } : {});
  }

  write(envelopes: readonly Envelope[], options: WriteOptions): void {
    const write = new Write(this, envelopes, options);
    this.#pending.add(write);
    this.#events += envelopes.length;
    this.#bytes += write.bytes;
    for (const envelope of envelopes) envelope.writing = true;
    if (this.#stopped) return this.end(write, { status: 'failed', error: stoppedError(this.#stopped) });
    if (this.#held.length > 0) this.#held.push(write);
    else this.#port.store.enqueue(write);
  }

  /** Resolves when everything written so far is in the log; rejects with what is not when the store does not take it. */
  flush(): Promise<void> {
    if (this.#stopped && this.#pending.size > 0) return Promise.reject(stoppedError(this.#stopped));
    const last = lastOf(this.#pending);
    if (!last) return Promise.resolve();
    if (this.#held.length > 0) this.#retryNow();
    return new Promise((resolve, reject) => this.#flushes.add({ last, resolve, reject }));
  }

  /** Gives up what is not written: for closing. Answers how many events that were. */
  abandon(error: TelltaleError): number {
    this.#cancelRetry?.();
    const count = this.#events;
    this.#held = [];
    for (const write of this.#pending) this.end(write, { status: 'failed', error });
    return count;
  }

  /** @internal */
  end(write: Write, outcome: WriteOutcome): void {
    if (!this.#pending.delete(write)) return;
    this.#events -= write.envelopes.length;
    this.#bytes -= write.bytes;
    if (outcome.status === 'stored') this.#attempt = 0;
    place(write, outcome);
    this.#port.ended(write.envelopes, outcome);
    write.done?.(outcome);
    notify(write);
    for (const flush of this.#flushes) {
      if (this.#pending.has(flush.last)) continue;
      this.#flushes.delete(flush);
      flush.resolve();
    }
  }

  /** @internal */
  failed(write: Write, error: TelltaleError): void {
    if (error.code === 'STORE_FAILED' || error.code === 'STORE_CLOSED') this.#stop(write, error);
    else if (error.code === 'STORE_UNAVAILABLE') this.#hold(write, error);
    else this.end(write, { status: 'refused', error });
  }

  #hold(write: Write, error: TelltaleError): void {
    write.fresh = false;
    this.#held.push(write);
    this.#lastError = error;
    if (this.#cancelRetry) return;
    const retryMs = retryDelayMs(BACKOFF, ++this.#attempt);
    this.#cancelRetry = this.#port.clock.after(retryMs, () => this.#retryNow());
    this.#port.unavailable(error, this.#attempt, retryMs);
    // The writes behind this one fail in the same turn; whoever flushes hears of all of them.
    queueMicrotask(() => this.#failFlushes(error));
  }

  #retryNow(): void {
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
    const writes = this.#held;
    this.#held = [];
    for (const write of writes) if (this.#pending.has(write)) this.#port.store.enqueue(write);
  }

  #stop(write: Write, error: TelltaleError): void {
    this.#lastError = error;
    const first = this.#stopped === undefined;
    this.#stopped ??= error;
    this.#cancelRetry?.();
    if (first) this.#port.stopped(error);
    this.end(write, { status: 'failed', error: stoppedError(error) });
    for (const held of this.#held.splice(0)) this.end(held, { status: 'failed', error: stoppedError(error) });
    this.#failFlushes(error);
  }

  #failFlushes(cause: TelltaleError): void {
    const first = this.#pending.values().next().value?.events[0];
    const what = `${this.#events} events are not stored, the first is \`${first?.type}\` ${first?.id}`;
    const error = new TelltaleError(cause.code, what, { cause, details: { events: this.#events, firstId: first?.id } });
    for (const flush of this.#flushes) flush.reject(error);
    this.#flushes.clear();
  }
}

function place({ envelopes }: Write, outcome: WriteOutcome): void {
  let position = outcome.status === 'stored' ? outcome.receipt.position : 0;
  for (const envelope of envelopes) {
    envelope.position = position;
    envelope.writing = false;
    if (position > 0) position++;
  }
}

// After the write has been dealt with, so that whoever waited for it comes behind it.
function notify({ envelopes }: Write): void {
  for (const envelope of envelopes) {
    const waiting = envelope.whenStored;
    envelope.whenStored = undefined;
    waiting?.(envelope.position);
  }
}

function stoppedError(cause: TelltaleError): TelltaleError {
  return new TelltaleError('STORE_FAILED', `the store has stopped for good: ${cause.message}`, { cause });
}

function lastOf<T>(items: ReadonlySet<T>): T | undefined {
  let last: T | undefined;
  for (const item of items) last = item;
  return last;
}
