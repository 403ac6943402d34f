import type { Receipt } from './handler-api.ts';
import { Carrier } from './carrier.ts';
import { captured, held, type Cause } from './context.ts';
import { TelltaleError, isTelltaleError } from './errors.ts';
import type { Admitted } from './event/admission.ts';
import type { Envelope } from './event/envelope.ts';
import type { Metadata, TelltaleEvent } from './event/event.ts';
import { SchemaRegistry } from './event/schema-registry.ts';
import { defineEvents, type EventDeclarations } from './event/define-events.ts';
import { ResultCache } from './history/cache.ts';
import { createIdSource } from './ids.ts';
import { Lifecycle } from './lifecycle.ts';
import type { EmitOptions } from './intake/emit-options.ts';
import { Turn } from './mailbox/turn.ts';
import { checkEmitOptions } from './intake/emit-options.ts';
import { Intake, type Dropped } from './intake/intake.ts';
import { inBatch, notForBatches, type BatchPlace } from './intake/batch.ts';
import { channels } from './observe/channels.ts';
import { Counters } from './observe/metrics.ts';
import { Reports } from './observe/reports.ts';
import type { ParsedBusOptions } from './options.ts';
import { Publishing, type PublishTerms } from './publishing.ts';
import { Dispatcher } from './router/dispatcher.ts';
import { DeadLetters, type LetterEventOptions } from './store/dead-letters.ts';
import type { Store } from './store/port.ts';
import type { RetryReadOptions } from './store/read/retry-read.ts';
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
  readonly turn: Turn;
  readonly carrier: Carrier;
  readonly newId: () => string;
  readonly life = new Lifecycle();
  readonly cache: ResultCache | undefined = undefined;
  readonly #intake: Intake;
  readonly #publishing: Publishing;

  constructor(options: ParsedBusOptions, createRouter: (core: Core) => Router) {
    this.options = options;
    const { clock, source, store, payload, maxChain, stages } = options;
    // What is delivered must fit into the log as well.
    const maxEventBytes = Math.min(options.maxEventBytes, store?.supports.maxEventBytes ?? Infinity);
    const newId = createIdSource({ now: () => clock.now() });
    this.newId = newId;
    this.turn = new Turn(clock);
    if (options.cache && store) {
      this.cache = new ResultCache(options.cache, clock);
      this.life.onClose(store.onRemove((ranges) => this.cache!.forget(ranges)));
    }
    this.schemas = new SchemaRegistry({ validate: options.validate, unknownTypes: options.unknownTypes });
    if (options.events) this.schemas.declare(defineEvents(options.events as EventDeclarations));
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
      write: (...letter) => this.#writeOfLetter(...letter),
      opened: (letter) => channels.letterOpened.hasSubscribers && channels.letterOpened.publish({ source, letter }),
    });
    this.router = createRouter(this);
    this.dispatcher = new Dispatcher({
      clock,
      turn: this.turn,
      limits: options.ingress,
      targets: (type) => this.router.targets(type),
      hasWaiters: () => this.router.hasWaiters,
      dispatched: (envelope, targets) => this.#dispatched(envelope, targets),
      timed: (ms) => this.counters.dispatch.record(ms),
      idle: () => this.life.wake(),
    });
    const { counters, letters, reports, dispatcher } = this;
    this.carrier = new Carrier({ options, counters, letters, reports, dispatcher, rested: () => this.life.wake() });
    const { carrier } = this;
    this.#publishing = new Publishing({
      counters,
      reports,
      dispatcher,
      carrier,
      admit: (cause, type, given, terms) => this.admit(cause, type, given, terms, { publishing: true }),
      isInside: (cause) => this.isInside(cause),
      closed: () => (this.life.accepting === 'none' ? this.#closedError() : undefined),
      ingressFull: () => this.#ingressFull(),
    });
  }

  /** Absent for a bus without store. */
  get writer(): Writer | undefined {
    return this.carrier.writer;
  }

  /** What was accepted so far is in the log, or never will be: it can be read all the same; whoever must know calls `flush`. */
  async written(): Promise<void> {
    await Promise.allSettled([this.writer?.flush()]);
  }

  /** Throws `STORE_REQUIRED`, naming what needs one. */
  storeFor(what: string): Store {
    const { store } = this.options;
    if (store) return store;
    throw new TelltaleError('STORE_REQUIRED', `${what} needs a store, and this bus has none`);
  }

  /** Tells that the store does not answer somebody, who asks it again. */
  unavailableTo(who: string): NonNullable<RetryReadOptions['unavailable']> {
    return ({ code, message }, attempt, retryMs) =>
      this.reports.say('$bus.store.failed', who, { store: this.options.store!.name, code, message, attempt, retryMs });
  }

  /** Is this the context of a handler of this bus that has not ended? */
  isInside(cause: Cause | undefined): cause is Cause {
    return cause !== undefined && cause.owner === this && cause.running > 0;
  }

  /** Nothing is dispatched, waits to be, runs or is queued for a handler. */
  get isSettled(): boolean {
    if (!this.dispatcher.isIdle || this.carrier.deferred > 0 || this.#publishing.waiting > 0) return false;
    for (const { load } of this.router.subscriptions) if (load > 0) return false;
    for (const { load } of this.life.working) if (load > 0) return false;
    return true;
  }

  emit(
    cause: Cause | undefined,
    type: string,
    payload: unknown,
    options?: EmitOptions,
    terms?: AdmitTerms,
  ): TelltaleEvent {
    return this.accept(cause, type, payload, options, terms).event;
  }

  /** As `emit`; answers all that is known of the event, which is the cause of what follows from it. */
  accept(
    cause: Cause | undefined,
    type: string,
    payload: unknown,
    options?: EmitOptions,
    terms?: AdmitTerms,
  ): Envelope | Dropped {
    const accepted = this.admit(cause, type, payload, options, terms);
    if (!('dropped' in accepted)) this.send(cause, accepted, options?.id === undefined);
    return accepted;
  }

  /** Sends an admitted event on its way: into the log, and to whoever hears it. Throws `INGRESS_FULL`. */
  send(cause: Cause | undefined, admitted: Envelope, fresh: boolean): void {
    if (cause !== undefined && (captured(cause, admitted) || held(cause, admitted, fresh))) return;
    if (!this.dispatcher.room(admitted.bytes, this.isInside(cause))) throw this.#ingressFull();
    this.carrier.carry(admitted, fresh);
  }

  /** Never an unhandled rejection: one that nobody awaits is counted and reported all the same. */
  publish(cause: Cause | undefined, type: string, payload: unknown, options?: PublishTerms): Promise<Receipt> {
    return this.#publishing.publish(cause, type, payload, options);
  }

  /** Counts and reports the rejection of what was to be stored. */
  watch<Result>(promise: Promise<Result>, type: string): Promise<Result> {
    return this.#publishing.watch(promise, type);
  }

  /** Through the door; a refusal is counted and kept as a dead letter. Throws the typed refusals. */
  admit(
    cause: Cause | undefined,
    type: string,
    payload: unknown,
    options: unknown,
    terms: AdmitTerms = NO_TERMS,
  ): Envelope | Dropped {
    try {
      this.mustAccept(cause, terms.inside);
      const given = checkEmitOptions(options, terms.publishing === true);
      const accepted = this.#intake.accept(
        cause,
        type,
        payload,
        terms.batch ? inBatch(given, terms.batch) : given,
        terms.metadata,
      );
      if ('dropped' in accepted) {
        this.counters.refuse(1);
        this.counters.droppedByStages++;
      } else if (accepted.transient && terms.batch) throw notForBatches(type);
      return accepted;
    } catch (error) {
      this.counters.refuse(1);
      // A replay that captures leaves no trace, not even a letter.
      const captures = cause?.retelling?.capture !== undefined;
      const silent =
        captures || terms.silent === true || cause?.triesAgain === true || isTelltaleError(error, 'BUS_CLOSED');
      if (!silent) this.#letterOf({ cause, type, payload, options, error });
      throw error;
    }
  }

  /** While the bus closes, only what comes from running handlers and its own parts is taken. */
  mustAccept(cause: Cause | undefined, inside = this.isInside(cause)): void {
    if (this.life.accepting === 'all' || (this.life.accepting === 'handlers' && inside)) return;
    throw this.#closedError();
  }

  /** For questions: handlers that run while the bus closes may ask them. Throws `BUS_CLOSED`. */
  mustAnswer(): void {
    if (this.life.accepting === 'none') throw this.#closedError('is closed and answers no more');
  }

  #closedError(state = 'is closing or closed and takes no more events'): TelltaleError {
    return new TelltaleError('BUS_CLOSED', `bus \`${this.options.source}\` ${state}`);
  }

  // What would have been transient is written nowhere, not even when it is refused.
  #letterOf(refused: Refused): void {
    const { cause, type, payload, options, error } = refused;
    const given = (typeof options === 'object' && options !== null ? options : {}) as PublishTerms;
    if (given.transient === true || (given.transient !== false && this.schemas.isTransient(type))) return;
    const { signal: _, ...about } = given;
    const correlationId = cause?.correlationId;
    const attempted = { ...(correlationId !== undefined && { correlationId }), ...about, type, payload };
    this.letters.refuse(attempted, error, cause);
  }

  /** An event of the bus itself that is delivered and written nowhere. */
  makeReport(type: string, payload: unknown): TelltaleEvent {
    return this.#intake.internal(undefined, type, payload, { transient: true }).event;
  }

  /** An event of the bus's own parts, for the carrier: no schema, no stages. */
  makeOwn(cause: Cause | undefined, type: string, payload: unknown, about: EmitOptions, admitted?: Admitted): Envelope {
    return this.#intake.internal(cause, type, payload, about, admitted);
  }

  #report(type: string, payload: unknown): void {
    this.carrier.carry(this.#intake.internal(undefined, type, payload, { transient: true }), true);
  }

  #writeOfLetter(
    type: string,
    payload: object,
    about: LetterEventOptions,
    cause: Cause | undefined,
  ): Envelope | undefined {
    if (!this.writer || this.carrier.full(1, 0)) return undefined;
    const envelope = this.#intake.internal(cause, type, payload, about);
    // A letter that does not fit stays in memory.
    const { maxEventBytes } = this.options.store!.supports;
    if (envelope.bytes > maxEventBytes || this.carrier.full(1, envelope.bytes)) return undefined;
    this.carrier.carry(envelope, true);
    return envelope;
  }

  #dispatched(envelope: Envelope, targets: number): void {
    this.counters.dispatched++;
    if (targets === 0) this.counters.unheard++;
    if (channels.dispatched.hasSubscribers)
      channels.dispatched.publish({ source: this.options.source, event: envelope.event });
  }

  #ingressFull(): TelltaleError {
    this.counters.refuse(1);
    return this.dispatcher.fullError();
  }
}

/** What `admit` is told beside the event. */
interface AdmitTerms {
  /** Options of `publish` are allowed. */
  readonly publishing?: boolean;
  /** The event becomes part of this batch. */
  readonly batch?: BatchPlace;
  /** Added by the bus itself: keys that begin with `$`. */
  readonly metadata?: Metadata;
  /** It is not to be emitted now: its refusal is the caller's alone, and no letter that could be tried again. */
  readonly silent?: boolean;
  /** Comes from the bus's own parts, which may go on while it closes. */
  readonly inside?: boolean;
}

interface Refused {
  readonly cause: Cause | undefined;
  readonly type: string;
  readonly payload: unknown;
  readonly options: unknown;
  readonly error: unknown;
}

const NO_TERMS: AdmitTerms = {};
