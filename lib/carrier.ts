import type { BatchReceipt } from './api.ts';
import { runWithoutCause } from './context.ts';
import { TelltaleError } from './errors.ts';
import type { Envelope } from './event/envelope.ts';
import type { TelltaleEvent } from './event/event.ts';
import { channels } from './observe/channels.ts';
import type { Counters } from './observe/metrics.ts';
import type { Reports } from './observe/reports.ts';
import type { ParsedBusOptions } from './options.ts';
import type { Dispatcher } from './router/dispatcher.ts';
import type { RecentChains } from './router/recent-chains.ts';
import { onceWritten, type DeadLetters } from './store/dead-letters.ts';
import type { AppendReceipt, Expectation } from './store/port.ts';
import { Writer, type WriteOutcome } from './store/writer.ts';

/** As a `BatchReceipt`, and when the store has taken it; 0 where nothing is stored. */
export type CommitReceipt = BatchReceipt & { readonly storedAt: number };

/** Told how an event ended up: in the log, turned away, or kept nowhere. */
export type Settle = (outcome: WriteOutcome | { readonly status: 'unstored' }) => void;

export interface CarrierParts {
  readonly options: ParsedBusOptions;
  readonly counters: Counters;
  readonly letters: DeadLetters;
  readonly reports: Reports;
  readonly dispatcher: Dispatcher;
  /** The bus may have come to rest. */
  rested(): void;
}

const TIMED_WRITES = 16;

/**
 * Carries accepted events into the log and to the dispatcher, and holds the order between the two. In `immediate` an
 * event enters the write queue before it is dispatched, so that what its handlers emit is stored after it; an event
 * that the store may still turn away (`expect`, batches, callers' ids), and every event in `committed`, is dispatched
 * when it is acknowledged.
 */
export class Carrier {
  readonly writer: Writer | undefined;
  /** Told of each transient event before it is dispatched: those that are stored pass through the store. */
  uplink: ((envelope: Envelope) => void) | undefined = undefined;
  /** Kept once somebody follows the log. */
  chains: RecentChains | undefined;
  readonly #parts: CarrierParts;
  readonly #readOnly: boolean;
  #deferred = 0;
  /** In `committed`, transient events keep their place behind this one. */
  #lastDeferred: Envelope | undefined;
  #writes = 0;

  constructor(parts: CarrierParts) {
    this.#parts = parts;
    this.#readOnly = parts.options.store?.supports.readOnly === true;
    this.writer = parts.options.store && this.#createWriter(parts.options.store);
  }

  /** Events that come to somebody when they are stored, and are not yet. */
  get deferred(): number {
    return this.chains ? this.writer!.backlog.events : this.#deferred;
  }

  /** Why the store cannot take so much now; undefined where it can, and where there is none. */
  full(events: number, bytes: number): TelltaleError | undefined {
    return this.#readOnly ? readOnlyError(this.#parts.options.store!.name) : this.writer?.full(events, bytes);
  }

  /** Stores events together and dispatches them when they are stored. */
  commit(envelopes: readonly Envelope[], expect: Expectation | undefined, fresh: boolean): Promise<CommitReceipt> {
    const { writer } = this;
    if (envelopes.length === 0) return Promise.resolve(unstored(0));
    if (!writer) {
      if (expect !== undefined && expect !== 'any') throw this.#refused(storeRequired(), envelopes.length);
      for (const envelope of envelopes) this.carry(envelope, true);
      return Promise.resolve(unstored(envelopes.length));
    }
    const full = this.full(
      envelopes.length,
      envelopes.reduce((sum, { bytes }) => sum + bytes, 0),
    );
    if (full) throw this.#refused(full, envelopes.length);
    for (const { event } of envelopes) this.#accept('waiting', event);
    return new Promise((resolve, reject) => {
      const terms = { fresh, deferred: true, bound: true, ...(expect !== undefined && { expect }) };
      this.#write(envelopes, terms, (outcome) =>
        outcome.status === 'stored'
          ? resolve(outcome.receipt)
          : reject('error' in outcome ? outcome.error : storeRequired()),
      );
    });
  }

  /** Takes one admitted event. Throws what the store cannot take now; then it counts as refused. */
  carry(envelope: Envelope, fresh: boolean, expect?: Expectation, settle?: Settle): void {
    const { writer } = this;
    if (envelope.transient) {
      this.#accept('transient', envelope.event);
      this.uplink?.(envelope);
      this.#dispatchTransient(envelope);
      return settle?.({ status: 'unstored' });
    }
    const bound = expect !== undefined && expect !== 'any';
    if (!writer && bound) throw this.#refused(storeRequired(), 1);
    const full = this.full(1, envelope.bytes);
    // What holds only under a condition cannot be delivered where the condition cannot be looked up.
    if (full && (bound || this.#parts.options.onStoreFailure === 'refuse')) throw this.#refused(full, 1);
    if (!writer || full) {
      this.#accept('unstored', envelope.event);
      this.#parts.dispatcher.push(envelope);
      return settle?.({ status: 'unstored' });
    }
    const deferred = this.#parts.options.dispatch === 'committed' || expect !== undefined || !fresh;
    this.#accept('waiting', envelope.event);
    this.#write([envelope], { fresh, deferred, bound, ...(expect !== undefined && { expect }) }, settle);
    if (!deferred) this.#parts.dispatcher.push(envelope);
  }

  /** Counts and dispatches what somebody else's transaction has stored. */
  stored(envelopes: readonly Envelope[], receipt: AppendReceipt): void {
    const { counters, dispatcher, options } = this.#parts;
    for (const [i, envelope] of envelopes.entries()) {
      this.#accept('stored', envelope.event);
      envelope.position = receipt.position + i;
      if (receipt.duplicate) counters.duplicates++;
      else dispatcher.push(envelope);
    }
    if (!channels.stored.hasSubscribers) return;
    channels.stored.publish({ source: options.source, events: envelopes.map(({ event }) => event), receipt });
  }

  // Counted where it can no longer be refused at the door, so that the books balance at every moment.
  #accept(as: 'waiting' | 'transient' | 'unstored' | 'stored', event: TelltaleEvent): void {
    const { counters, options } = this.#parts;
    counters.offered++;
    counters[as]++;
    if (channels.accepted.hasSubscribers) channels.accepted.publish({ source: options.source, event });
  }

  // In `committed` a transient event keeps its place behind what is still being stored.
  #dispatchTransient(envelope: Envelope): void {
    const ahead = this.#parts.options.dispatch === 'committed' ? this.#lastDeferred : undefined;
    if (!ahead?.writing) return this.#parts.dispatcher.push(envelope);
    this.#deferred++;
    onceWritten(ahead, () => {
      this.#deferred--;
      this.#parts.dispatcher.push(envelope);
    });
  }

  #write(
    envelopes: readonly Envelope[],
    options: { fresh: boolean; deferred: boolean; bound: boolean; expect?: Expectation },
    settle: Settle | undefined,
  ): void {
    const { fresh, deferred, bound, expect } = options;
    if (this.chains) for (const envelope of envelopes) this.chains.remember(envelope);
    if (deferred) {
      this.#deferred += envelopes.length;
      for (const envelope of envelopes) envelope.deferred = true;
      this.#lastDeferred = envelopes.at(-1);
    }
    const done = this.#timed(settle);
    this.writer!.write(envelopes, { fresh, bound, ...(expect !== undefined && { expect }), ...(done && { done }) });
  }

  #timed(settle: Settle | undefined): Settle | undefined {
    if (this.#writes++ % TIMED_WRITES !== 0) return settle;
    const started = this.#parts.options.clock.monotonic();
    return (outcome) => {
      this.#parts.counters.store.record(this.#parts.options.clock.monotonic() - started);
      settle?.(outcome);
    };
  }

  #createWriter(store: NonNullable<ParsedBusOptions['store']>): Writer {
    const { clock, backlog } = this.#parts.options;
    return new Writer({
      store,
      clock,
      limits: backlog,
      ended: (envelopes, outcome, bound) => this.#written(envelopes, outcome, bound),
      unavailable: (error, attempt, retryMs) => this.#storeFailed('unavailable', error, { attempt, retryMs }),
      stopped: (error) => this.#storeFailed('stopped', error, { stopped: true }),
    });
  }

  #storeFailed(key: string, error: TelltaleError, about: object): void {
    const { store, source } = this.#parts.options;
    if (channels.storeFailed.hasSubscribers) channels.storeFailed.publish({ source, error });
    const { code, message } = error;
    runWithoutCause(() =>
      this.#parts.reports.say('$bus.store.failed', key, { store: store!.name, code, message, ...about }),
    );
  }

  #written(envelopes: readonly Envelope[], outcome: WriteOutcome, bound: boolean): void {
    const { counters } = this.#parts;
    const count = envelopes.length;
    const deferred = envelopes[0]!.deferred;
    if (deferred) this.#deferred -= count;
    counters.waiting -= count;
    if (outcome.status === 'stored') {
      // The bus behind a link may have no store.
      counters[outcome.receipt.position === 0 ? 'unstored' : 'stored'] += count;
      if (outcome.receipt.duplicate) counters.duplicates += count;
      else if (deferred) for (const envelope of envelopes) this.#parts.dispatcher.push(envelope);
      if (channels.stored.hasSubscribers)
        channels.stored.publish({
          source: this.#parts.options.source,
          events: envelopes.map(({ event }) => event),
          receipt: outcome.receipt,
        });
    } else this.#notWritten(envelopes, outcome, deferred, bound);
    // Those who follow the log are handed the commit as soon as all of it is answered.
    if (this.chains) queueMicrotask(() => this.#parts.rested());
    else if (deferred) this.#parts.rested();
  }

  // What was delivered and is not in the log counts as unstored; what was neither counts as refused.
  #notWritten(
    envelopes: readonly Envelope[],
    { status, error }: { readonly status: string; readonly error: TelltaleError },
    deferred: boolean,
    bound: boolean,
  ): void {
    const live = deferred && !bound && status === 'failed' && this.#parts.options.onStoreFailure === 'live';
    if (deferred && !live) this.#parts.counters.refused += envelopes.length;
    else this.#parts.counters.unstored += envelopes.length;
    if (live) for (const envelope of envelopes) this.#parts.dispatcher.push(envelope);
    // What is another bus's log has its letters there.
    if (error.code === 'EXPECTATION_FAILED' || this.#parts.options.store?.supports.remote) return;
    for (const envelope of envelopes)
      if (!envelope.event.type.startsWith('$')) this.#parts.letters.open(envelope, { reason: 'not-stored', error });
  }

  #refused(error: TelltaleError, count: number): TelltaleError {
    this.#parts.counters.refuse(count);
    return error;
  }
}

const unstored = (events: number): CommitReceipt => {
  const revisions = Array.from({ length: events }, () => 0);
  return { position: 0, revisions, storedAt: 0, durability: 'none', duplicate: false };
};

function readOnlyError(name: string): TelltaleError {
  const text = `store ${name} was opened for reading only and takes no events; transient events are still delivered`;
  return new TelltaleError('STORE_READ_ONLY', text);
}

function storeRequired(): TelltaleError {
  return new TelltaleError('STORE_REQUIRED', '`expect` needs a store, and this bus has none');
}
