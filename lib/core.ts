import type { Receipt } from './api.ts';
import { Carrier, type Settle } from './carrier.ts';
import type { Cause } from './context.ts';
import { TelltaleError } from './errors.ts';
import type { Envelope } from './event/envelope.ts';
import type { TelltaleEvent } from './event/event.ts';
import { SchemaRegistry } from './event/schema-registry.ts';
import type { EventDeclarations } from './event/define-events.ts';
import { createIdSource } from './ids.ts';
import type { EmitOptions } from './intake/emit-options.ts';
import { checkEmitOptions } from './intake/emit-options.ts';
import { Intake, type Dropped } from './intake/intake.ts';
import { channels } from './observe/channels.ts';
import { Counters } from './observe/metrics.ts';
import { Reports } from './observe/reports.ts';
import type { ParsedBusOptions } from './options.ts';
import { Dispatcher } from './router/dispatcher.ts';
import { DeadLetters, LETTER_OPENED, letterEntity, type DeadLetter } from './store/dead-letters.ts';
import type { AppendReceipt, Expectation } from './store/port.ts';
import type { Writer } from './store/writer.ts';
import type { Router } from './router/router.ts';

/**
 * The parts of one bus, put together: the door, the dispatcher, the write-behind, the letters and the reports. It
 * holds what they share; every feature is handed functions of it.
 */
export class Core {
  readonly options: ParsedBusOptions;
  readonly counters = new Counters();
  readonly schemas: SchemaRegistry;
  readonly letters: DeadLetters;
  readonly reports: Reports;
  readonly router: Router;
  readonly dispatcher: Dispatcher;
  readonly carrier: Carrier;
  readonly newId: () => string;
  readonly #intake: Intake;
  readonly #idleListeners = new Set<() => void>();
  readonly #closeListeners = new Set<() => void>();
  #accepting: 'all' | 'handlers' | 'none' = 'all';

  constructor(options: ParsedBusOptions, createRouter: (core: Core) => Router) {
    this.options = options;
    const { clock, source, store, payload, maxEventBytes, maxChain, stages } = options;
    const newId = createIdSource({ now: () => clock.now() });
    this.newId = newId;
    this.schemas = new SchemaRegistry({ validate: options.validate, unknownTypes: options.unknownTypes });
    if (options.events) this.schemas.declare(options.events as EventDeclarations);
    this.#intake = new Intake({
      owner: this,
      source,
      newId,
      now: () => clock.now(),
      schemas: this.schemas,
      stages,
      payload,
      maxEventBytes,
      maxChain,
      loopSuspected: (cycle, chain, correlationId) =>
        this.reports.sayOnce('$bus.loop.suspected', cycle.join(' → '), {
          cycle: [...cycle],
          depth: chain.depth,
          correlationId,
        }),
    });
    this.reports = new Reports({
      clock,
      heard: (type) => this.router.targets(type).length > 0,
      emit: (type, about) => this.#report(type, about),
    });
    this.letters = new DeadLetters({
      store,
      clock,
      newId,
      write: (letter, cause) => this.#writeLetter(letter, cause),
      opened: (letter) =>
        channels.letterOpened.hasSubscribers &&
        channels.letterOpened.publish({
          source,
          letter,
        }),
    });
    this.router = createRouter(this);
    this.dispatcher = new Dispatcher({
      clock,
      limits: options.ingress,
      targets: (type) => this.router.targets(type),
      hasWaiters: () => this.router.hasWaiters,
      dispatched: (envelope, targets) => this.#dispatched(envelope, targets),
      timed: (ms) => this.counters.dispatch.record(ms),
      idle: () => this.wake(),
    });
    const { counters, letters, reports, dispatcher } = this;
    this.carrier = new Carrier({ options, counters, letters, reports, dispatcher, rested: () => this.wake() });
  }

  /** Absent for a bus without store. */
  get writer(): Writer | undefined {
    return this.carrier.writer;
  }

  /** Is this the context of a handler of this bus that has not ended? */
  isInside(cause: Cause | undefined): cause is Cause {
    return cause !== undefined && cause.owner === this && cause.running > 0;
  }

  /** Nothing is dispatched, waits to be, runs or is queued for a handler. */
  get isSettled(): boolean {
    if (!this.dispatcher.isIdle || this.carrier.deferred > 0) return false;
    for (const { load } of this.router.subscriptions) if (load > 0) return false;
    return true;
  }

  /** Calls `listener` whenever the bus may have become settled; returns the undo. */
  onRest(listener: () => void): () => void {
    this.#idleListeners.add(listener);
    return () => this.#idleListeners.delete(listener);
  }

  wake(): void {
    if (this.#idleListeners.size > 0) for (const listener of this.#idleListeners) listener();
  }

  /** Calls `listener` once when the bus closes its streams; returns the undo. */
  onClose(listener: () => void): () => void {
    this.#closeListeners.add(listener);
    return () => this.#closeListeners.delete(listener);
  }

  endStreams(): void {
    for (const listener of this.#closeListeners) listener();
    this.#closeListeners.clear();
  }

  /** Whom new events are taken from. */
  accept(what: 'all' | 'handlers' | 'none'): void {
    this.#accepting = what;
  }

  emit(cause: Cause | undefined, type: string, payload: unknown, options?: EmitOptions): TelltaleEvent {
    const accepted = this.admit(cause, type, payload, options);
    if ('dropped' in accepted) return accepted.event;
    const { bytes } = accepted;
    if (!this.dispatcher.room(bytes, this.isInside(cause))) throw this.#ingressFull();
    this.carrier.carry(accepted, options?.id === undefined);
    return accepted.event;
  }

  async publish(
    cause: Cause | undefined,
    type: string,
    payload: unknown,
    options: EmitOptions & { expect?: Expectation; signal?: AbortSignal } = {},
  ): Promise<Receipt> {
    const { expect, signal } = options;
    if (signal?.aborted) throw abortedError(signal, 'before it was accepted');
    const accepted = this.admit(cause, type, payload, options, true);
    if ('dropped' in accepted) return { ...NOT_STORED, event: accepted.event, dropped: accepted.dropped };
    if (!this.dispatcher.room(accepted.bytes, this.isInside(cause))) {
      if (this.isInside(cause)) throw this.#ingressFull();
      await this.dispatcher.whenRoom(accepted.bytes);
      if (signal?.aborted) throw this.#refused(abortedError(signal, 'before it was accepted'));
    }
    return this.#awaitWrite(accepted, options.id === undefined, expect, signal);
  }

  /** Through the door, counted; a refusal is kept as a dead letter. Throws the typed refusals. */
  admit(
    cause: Cause | undefined,
    type: string,
    payload: unknown,
    options: unknown,
    publishing = false,
  ): Envelope | Dropped {
    this.mustAccept(cause);
    this.counters.offered++;
    try {
      const accepted = this.#intake.accept(cause, type, payload, checkEmitOptions(options, publishing));
      if ('dropped' in accepted) {
        this.counters.refused++;
        this.counters.droppedByStages++;
      } else if (channels.accepted.hasSubscribers)
        channels.accepted.publish({ source: this.options.source, event: accepted.event });
      return accepted;
    } catch (error) {
      this.counters.refused++;
      const given = typeof options === 'object' && options !== null ? options : {};
      this.letters.refuse(
        { ...(cause?.correlationId !== undefined && { correlationId: cause.correlationId }), ...given, type, payload },
        error,
      );
      throw error;
    }
  }

  mustAccept(cause: Cause | undefined): void {
    if (this.#accepting === 'all' || (this.#accepting === 'handlers' && this.isInside(cause))) return;
    throw new TelltaleError(
      'BUS_CLOSED',
      `bus \`${this.options.source}\` is closing or closed and takes no more events`,
    );
  }

  /** An event of the bus itself that is delivered and written nowhere. */
  makeReport(type: string, payload: unknown): TelltaleEvent {
    return this.#intake.internal(undefined, type, payload, { transient: true }).event;
  }

  #report(type: string, payload: unknown): void {
    this.counters.offered++;
    this.carrier.carry(this.#intake.internal(undefined, type, payload, { transient: true }), true);
  }

  #awaitWrite(
    envelope: Envelope,
    fresh: boolean,
    expect: Expectation | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Receipt> {
    return new Promise((resolve, reject) => {
      const abort = (): void => reject(abortedError(signal!, 'while it was being stored; it may be in the log'));
      signal?.addEventListener('abort', abort, { once: true });
      const settle: Settle = (outcome) => {
        signal?.removeEventListener('abort', abort);
        if (outcome.status === 'stored') resolve(receiptOf(envelope, outcome.receipt));
        else if ('error' in outcome) reject(outcome.error);
        else resolve({ ...NOT_STORED, event: envelope.event });
      };
      this.carrier.carry(envelope, fresh, expect, settle);
    });
  }

  #writeLetter(letter: DeadLetter, cause: Envelope | undefined): Envelope | undefined {
    if (!this.writer || this.writer.full()) return undefined;
    const correlation = letter.correlationId === '' ? {} : { correlationId: letter.correlationId };
    const envelope = this.#intake.internal(cause, LETTER_OPENED, letter, {
      id: letter.id,
      entity: letterEntity(letter.id),
      ...(!cause && correlation),
    });
    this.counters.offered++;
    this.carrier.carry(envelope, true);
    return envelope;
  }

  #dispatched(envelope: Envelope, targets: number): void {
    this.counters.dispatched++;
    if (targets === 0) this.counters.unheard++;
    if (channels.dispatched.hasSubscribers)
      channels.dispatched.publish({ source: this.options.source, event: envelope.event });
  }

  #refused(error: TelltaleError): TelltaleError {
    this.counters.refused++;
    return error;
  }

  #ingressFull(): TelltaleError {
    const { events, bytes } = this.dispatcher.queued;
    const { max, maxBytes } = this.options.ingress;
    const text = `ingress full: ${events} of ${max} events and ${bytes} of ${maxBytes} bytes wait to be dispatched; publish() waits for room`;
    return this.#refused(new TelltaleError('INGRESS_FULL', text, { details: { events, bytes, max, maxBytes } }));
  }
}

const NOT_STORED = { position: 0, revision: 0, durability: 'none', duplicate: false } as const;

function receiptOf({ event }: Envelope, receipt: AppendReceipt): Receipt {
  const { position, durability, duplicate } = receipt;
  return { event, position, revision: receipt.revisions[0] ?? 0, durability, duplicate };
}

function abortedError(signal: AbortSignal, when: string): TelltaleError {
  return new TelltaleError('ABORTED', `the publish was aborted ${when}`, { cause: signal.reason });
}
