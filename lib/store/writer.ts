import type { Clock } from '../clock.ts';
import { TelltaleError } from '../errors.ts';
import type { Envelope } from '../event/envelope.ts';
import type { TelltaleEvent } from '../event/event.ts';
import { Fifo } from '../mailbox/fifo.ts';
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
  /** Delivered only if it is stored, come what may: a batch, or what was published with an expectation. */
  readonly bound?: boolean;
  /** Called once, in the order of writing. */
  readonly done?: (outcome: WriteOutcome) => void;
}

export interface WriterPort {
  readonly store: Store;
  readonly clock: Clock;
  readonly limits: { readonly events: number; readonly bytes: number };
  /** Every write, before its own `done`. */
  ended(envelopes: readonly Envelope[], outcome: WriteOutcome, bound: boolean): void;
  /** The store could not take a commit; it is tried again in `retryMs`. */
  unavailable(error: TelltaleError, attempt: number, retryMs: number): void;
  /** The store has stopped for good. */
  stopped(error: TelltaleError): void;
}

/** The end of the log for somebody who asked when so much had been written, however much has been since. */
export class Mark {
  readonly #written: number;
  /** The last position of what had been written, the first of what was written since. */
  #through = 0;
  #behind = Infinity;

  constructor(written: number) {
    this.#written = written;
  }

  /** @internal */
  note(serial: number, { position, duplicate }: AppendReceipt, events: number): void {
    if (serial <= this.#written) this.#through = Math.max(this.#through, position + events - 1);
    else if (!duplicate) this.#behind = Math.min(this.#behind, position);
  }

  /** `head` is where the log ended when the mark was made: others write as well. */
  end(head: number): number {
    return Math.min(Math.max(head, this.#through), this.#behind - 1);
  }
}

const BACKOFF: RetryPolicy = { attempts: Infinity, delayMs: 100, factor: 2, maxDelayMs: 30_000, jitter: 0.2 };

interface Flush {
  readonly last: Write;
  readonly resolve: () => void;
  readonly reject: (error: TelltaleError) => void;
  /** Why an event that was delivered is not in the log. */
  refusal: TelltaleError | undefined;
}

class Write implements PendingAppend {
  readonly events: readonly TelltaleEvent[];
  readonly envelopes: readonly Envelope[];
  readonly bytes: number;
  readonly admitted: boolean;
  readonly expect?: Expectation;
  fresh: boolean;
  readonly done: ((outcome: WriteOutcome) => void) | undefined;
  readonly bound: boolean;
  readonly serial: number;
  ended = false;
  readonly #writer: Writer;
  /** By the store's clock, when the first attempt of ids that are not this bus's own was made. */
  readonly #since: number;
  #tried = false;

  constructor(writer: Writer, serial: number, envelopes: readonly Envelope[], options: WriteOptions) {
    this.#writer = writer;
    this.serial = serial;
    this.envelopes = envelopes;
    this.events = envelopes.length === 1 ? [envelopes[0]!.event] : envelopes.map((envelope) => envelope.event);
    this.bytes = envelopes.length === 1 ? envelopes[0]!.bytes : envelopes.reduce((sum, { bytes }) => sum + bytes, 0);
    this.admitted = envelopes.every((envelope) => envelope.admitted);
    if (options.expect !== undefined) this.expect = options.expect;
    this.fresh = options.fresh;
    this.bound = options.bound ?? false;
    this.done = options.done;
    this.#since = options.fresh ? 0 : writer.now();
  }

  acknowledged(receipt: AppendReceipt): void {
    this.#writer.end(this, { status: 'stored', receipt: this.#asFirst(receipt) });
  }

  /** An attempt has failed and may have been carried out all the same. */
  attempted(): void {
    this.#tried = true;
    this.fresh = false;
  }

  failed(error: TelltaleError): void {
    this.#writer.failed(this, error);
  }

  // What an attempt of this very write has stored is no duplicate: nobody has been told of it yet.
  #asFirst(receipt: AppendReceipt): AppendReceipt {
    if (!receipt.duplicate || !this.#tried || receipt.storedAt < this.#since) return receipt;
    return { ...receipt, duplicate: false };
  }
}

/**
 * Writes behind the dispatch. Ordering: events reach the store in the order of `write`, also after an outage: a
 * failed commit fails everything queued behind it, all of it is kept here and sent again in order, with the same ids
 * and looked up. Capacity: `full` answers an error once the backlog has reached its limit; callers ask before they
 * deliver. Failure: `STORE_FAILED` is never tried again. Closing: `flush`, then close the store.
 */
export class Writer {
  readonly #port: WriterPort;
  /** Not acknowledged yet, in order; those answered out of turn stay until they come up. */
  readonly #pending = new Fifo<Write>();
  /** Nothing is with the store: everything pending waits for the next attempt. */
  #holding = false;
  #events = 0;
  #bytes = 0;
  #lost = 0;
  #attempt = 0;
  #stopped: TelltaleError | undefined;
  #lastError: TelltaleError | undefined;
  #cancelRetry: (() => void) | undefined;
  #newest: Write | undefined;
  #writes = 0;
  readonly #flushes = new Set<Flush>();
  /** What must be known to the store before anything more is in the log. */
  readonly #obstacles = new Set<() => void>();
  /** Written behind an obstacle, in order: the store has not been given it. */
  readonly #behind = new Set<Write>();
  readonly #marks = new Set<Mark>();

  constructor(port: WriterPort) {
    this.#port = port;
  }

  /** @internal */
  now(): number {
    return this.#port.clock.now();
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

  /** Events given up because the store has stopped, or was closed before it took them. */
  get lost(): number {
    return this.#lost;
  }

  /** Why `events` of `size` bytes more cannot be written now; undefined while there is room. */
  full(events = 1, size = 0): TelltaleError | undefined {
    if (this.#stopped) return stoppedError(this.#stopped);
    const { limits } = this.#port;
    // An empty backlog takes anything, so that no batch is too large for ever.
    if (this.#events === 0) return undefined;
    if (this.#events + events <= limits.events && this.#bytes + size <= limits.bytes) return undefined;
    const text = `the store's backlog is full: ${this.#events} of ${limits.events} events, ${this.#bytes} of ${limits.bytes} bytes wait to be written`;
    const details = { ...this.backlog, maxEvents: limits.events, maxBytes: limits.bytes };
    return new TelltaleError('STORE_BACKLOG_FULL', text, {
      details,
      ...(this.#lastError && { cause: this.#lastError }),
    });
  }

  write(envelopes: readonly Envelope[], options: WriteOptions): void {
    const write = new Write(this, ++this.#writes, envelopes, options);
    this.#pending.push(write);
    this.#newest = write;
    this.#events += envelopes.length;
    this.#bytes += write.bytes;
    for (const envelope of envelopes) envelope.writing = true;
    if (this.#stopped) return this.end(write, { status: 'failed', error: stoppedError(this.#stopped) });
    if (this.#obstacles.size > 0) this.#behind.add(write);
    else if (!this.#holding) this.#port.store.enqueue(write);
  }

  /** The store is given nothing that is written from now on before the function that this returns is called. */
  obstruct(): () => void {
    const clear = (): void => {
      if (!this.#obstacles.delete(clear) || this.#obstacles.size > 0) return;
      const writes = [...this.#behind];
      this.#behind.clear();
      if (!this.#holding) for (const write of writes) if (!write.ended) this.#port.store.enqueue(write);
    };
    this.#obstacles.add(clear);
    return clear;
  }

  /** Resolves when everything written so far is in the log; rejects with what is not when the store does not take it. */
  flush(): Promise<void> {
    if (this.#stopped) return Promise.reject(this.#unwritten(this.#stopped));
    const last = this.#newest;
    if (!last || last.ended) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#flushes.add({ last, resolve, reject, refusal: undefined });
      if (this.#holding) this.#retryNow();
    });
  }

  /** Marks the end of what has been written so far; kept up to date until it is given back to `unmark`. */
  mark(): Mark {
    const mark = new Mark(this.#writes);
    this.#marks.add(mark);
    return mark;
  }

  unmark(mark: Mark): void {
    this.#marks.delete(mark);
  }

  /** Gives up what is not written, and everything to come: for closing. Answers how many events that were. */
  abandon(error: TelltaleError): number {
    this.#cancelRetry?.();
    const before = this.#lost;
    this.#stopped ??= error;
    this.#giveUp(error);
    this.#failFlushes(error);
    return this.#lost - before;
  }

  /** @internal */
  end(write: Write, outcome: WriteOutcome): void {
    if (write.ended) return;
    write.ended = true;
    while (this.#pending.peek()?.ended) this.#pending.shift();
    this.#events -= write.envelopes.length;
    this.#bytes -= write.bytes;
    if (outcome.status === 'stored') this.#attempt = 0;
    if (outcome.status === 'failed') this.#lost += write.envelopes.length;
    place(write, outcome);
    if (this.#marks.size > 0 && outcome.status === 'stored')
      for (const mark of this.#marks) mark.note(write.serial, outcome.receipt, write.events.length);
    this.#port.ended(write.envelopes, outcome, write.bound);
    write.done?.(outcome);
    notify(write);
    if (this.#flushes.size > 0) this.#settleFlushes(write, outcome);
  }

  /** @internal */
  failed(write: Write, error: TelltaleError): void {
    if (error.code === 'STORE_FAILED' || error.code === 'STORE_CLOSED') this.#stop(write, error);
    else if (error.code === 'STORE_UNAVAILABLE') this.#hold(write, error);
    else this.end(write, { status: 'refused', error });
  }

  // The writes behind this one fail in the same turn; it is told when all of them are held.
  #hold(write: Write, error: TelltaleError): void {
    write.attempted();
    this.#lastError = error;
    if (this.#holding) return;
    this.#holding = true;
    const attempt = ++this.#attempt;
    queueMicrotask(() => {
      if (!this.#holding || this.#attempt !== attempt) return;
      const retryMs = retryDelayMs(BACKOFF, attempt);
      this.#cancelRetry = this.#port.clock.wait(retryMs, () => this.#retryNow());
      this.#failFlushes(error);
      this.#port.unavailable(error, attempt, retryMs);
    });
  }

  #retryNow(): void {
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
    this.#holding = false;
    // A copy: what ends on the way leaves the queue.
    const writes = Array.from(this.#pending);
    for (const write of writes) if (!write.ended && !this.#behind.has(write)) this.#port.store.enqueue(write);
  }

  #stop(write: Write, error: TelltaleError): void {
    this.#lastError = error;
    this.#cancelRetry?.();
    const first = this.#stopped === undefined;
    this.#stopped ??= error;
    this.end(write, { status: 'failed', error: stoppedError(error) });
    if (!first) return;
    if (this.#holding) this.#giveUp(stoppedError(error));
    queueMicrotask(() => {
      this.#failFlushes(error);
      this.#port.stopped(error);
    });
  }

  #giveUp(error: TelltaleError): void {
    const writes = Array.from(this.#pending);
    for (const write of writes) this.end(write, { status: 'failed', error });
  }

  // A publish that is turned away hears of it itself; what was delivered and is not in the log, only a flush can tell.
  #settleFlushes(write: Write, outcome: WriteOutcome): void {
    const lost = outcome.status === 'refused' && !write.envelopes[0]!.deferred ? outcome.error : undefined;
    for (const flush of this.#flushes) {
      flush.refusal ??= lost;
      if (!flush.last.ended || outcome.status === 'failed') continue;
      this.#flushes.delete(flush);
      if (flush.refusal) flush.reject(flush.refusal);
      else flush.resolve();
    }
  }

  #failFlushes(cause: TelltaleError): void {
    if (this.#flushes.size === 0) return;
    const error = this.#unwritten(cause);
    for (const flush of this.#flushes) flush.reject(error);
    this.#flushes.clear();
  }

  #unwritten(cause: TelltaleError): TelltaleError {
    const first = this.#pending.peek()?.events[0];
    const events = this.#events + this.#lost;
    const which = first ? `, the first of those still waiting is \`${first.type}\` ${first.id}` : '';
    return new TelltaleError(cause.code, `${events} events are not stored${which}: ${cause.message}`, {
      cause,
      details: { events, ...(first && { firstId: first.id }) },
    });
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
    if (waiting) for (const listener of waiting) listener(envelope.position);
  }
}

function stoppedError(cause: TelltaleError): TelltaleError {
  return new TelltaleError('STORE_FAILED', `the store has stopped for good: ${cause.message}`, { cause });
}
