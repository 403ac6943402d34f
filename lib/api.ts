import type { Observable } from 'rxjs';
import type { Acting } from './acting-api.ts';
import type { ActorFigures, ActorsGone } from './actor/figures.ts';
import type { AnswerOptions, Asking } from './asking-api.ts';
import type { Duration } from './duration.ts';
import type { StoredEvent, TelltaleEvent } from './event/event.ts';
import type { Schemas } from './schemas/schemas.ts';
import type { AnyEvents, EventOf } from './event/typed-patterns.ts';
import type { EmitOptions } from './intake/emit-options.ts';
import type { MailboxOptions, SubscribeOptions } from './options.ts';
import type { Health } from './observe/health.ts';
import type { Metrics } from './observe/metrics.ts';
import type { FoldOptions } from './replay/fold.ts';
import type { ReplayOptions } from './replay/options.ts';
import type { ReplayPreview } from './replay/preview.ts';
import type { Replay } from './replay/replay.ts';
import type { ClearOptions, ClearReport } from './retention/clear.ts';
import type { EnforceReport } from './retention/enforce.ts';
import type { RetentionPlan } from './retention/preview.ts';
import type { PreviewOptions } from './retention/preview-options.ts';
import type { RetentionFigures } from './retention/stats.ts';
import type { RemovedFigures, SubscriptionFigures } from './router/subscription-figures.ts';
import type { DeadLetterBox } from './letters/letters.ts';
import type { Scheduled, ScheduleOptions, Schedules } from './schedule-api.ts';
import type { Durability, Expectation } from './store/port.ts';
import type { Consuming } from './consuming-api.ts';
import type { ConsumerFigures } from './delivery/terms.ts';
import type { TypeOf, Asked, Filtered, Selected, Keyed } from './typed-options.ts';
import type { Reading } from './reading-api.ts';
import type { HandlerContext, OnceOptions, PublishOptions, Receipt } from './handler-api.ts';

export type Handler<E, P extends string> = (event: EventOf<E, P>, context: HandlerContext<E>) => unknown;

/** What is known of a committed batch. */
export interface BatchReceipt {
  /** Position of the first event, 0 where nothing is stored (yet); the others follow without a gap. */
  readonly position: number;
  readonly revisions: readonly number[];
  /** As in the receipt of one event. */
  readonly durability: 'none' | 'pending' | Durability;
  readonly duplicate: boolean;
}

export interface Batch<E> {
  readonly size: number;
  add<T extends TypeOf<E>>(type: T, payload: E[T], options?: EmitOptions): Batch<E>;
  /** All or nothing. Rejects with the store's refusal; then nothing is stored and nothing delivered. */
  commit(options?: { readonly expect?: Expectation }): Promise<BatchReceipt>;
  discard(): number;
}

/** Ends a subscription; may be called again without effect. Works with `using`. */
export interface Undo extends Disposable {
  (): void;
}

export type ObserveOptions = Pick<SubscribeOptions, 'where' | 'from' | 'signal'>;

export interface IterateOptions extends ObserveOptions {
  /** @default 10,000 events, 16 MiB, 'lag' */
  readonly mailbox?: MailboxOptions;
}

/** An output of a pipeline; wrap it in `caused(event, output)` to say what it comes from. */
export interface Output<E> {
  readonly type: TypeOf<E>;
  readonly payload: E[keyof E];
  readonly options?: EmitOptions;
}

export type BuildPipeline<E, P extends string> = (source: Observable<EventOf<E, P>>) => Observable<Output<E>>;

/** A handler of a replay; its event has its place in the log. */
export type ReplayHandler<E, P extends string> = (
  event: EventOf<E, P> & Pick<StoredEvent, 'position' | 'revision' | 'storedAt'>,
  context: HandlerContext<E>,
) => unknown;

/** Where a replay tells its events. */
export type ReplayInto<E, P extends string> =
  | ReplayHandler<E, P>
  | Readonly<Record<string, ReplayHandler<E, P>>>
  | {
      readonly next: ReplayHandler<E, P>;
      readonly complete?: () => unknown;
      readonly error?: (error: unknown) => unknown;
    }
  | Bus
  | Bus<E>;

/** Options of a replay that know the events that are selected. */
export type Replayed<E, P extends string, T extends string> = Keyed<
  Selected<ReplayOptions<ReplayInto<E, Asked<P, T>>>, E, P, T>,
  E,
  Asked<P, T>
>;

/** What an event emitted here and now comes from. */
export interface ContextInfo {
  readonly correlationId?: string;
  readonly causationId?: string;
  /** Metadata that goes down the chain: conversation, request, session, user, trace. */
  readonly metadata?: Readonly<Record<string, unknown>>;
}

export interface CloseReport {
  /** Events that were queued for handlers, or waited to be dispatched, and are dead letters now. */
  readonly cut: number;
  /** Handlers that were still running when their time was over. Their events are dead letters too, or wait in the log for their consumer. */
  readonly stillRunning: number;
  /** Events that could not be stored. */
  readonly unstored: number;
  /** Scheduled events of a bus without store that were still to come, and are gone; absent where there are none. */
  readonly schedules?: number;
}

/** What is kept of the log, and what goes. Every call rejects with `STORE_REQUIRED` on a bus without store. */
export interface RetentionApi {
  /**
   * What the rules would remove now, and why; changes nothing. Reads the whole log, a few milliseconds at a time.
   * Rejects with `INVALID_OPTION` and what other rules than those of the bus are refused with.
   */
  preview(options?: PreviewOptions): Promise<RetentionPlan>;
  /**
   * Carries out exactly this plan; what has come under protection since is left, and told. Without a plan it makes
   * one. What somebody asks for is not held to the bound of a first sweep. Rejects with `STORE_READ_ONLY`, and with
   * `LEASE_LOST` while another process clears a shared store away.
   */
  enforce(plan?: RetentionPlan): Promise<EnforceReport>;
  /** Removes everything, or a selection, whatever the rules say. Rejects with `INVALID_OPTION` unless the store is named. */
  clear(options: ClearOptions): Promise<ClearReport>;
  stats(): RetentionFigures;
}

/** One event bus. Made by `createBus`; `E` maps types to payloads. */
export interface Bus<E = AnyEvents> extends AsyncDisposable, Acting<E>, Consuming<E>, Reading<E>, Asking<E> {
  readonly source: string;
  readonly retention: RetentionApi;
  readonly schemas: Schemas;
  readonly deadLetters: DeadLetterBox;

  /** Delivered now, on disk a moment later. Throws what admission, schemas and full queues refuse; then nothing has happened. */
  emit<T extends TypeOf<E>>(type: T, payload: E[T], options?: EmitOptions): TelltaleEvent<T, E[T]>;
  /** On disk when it resolves. Waits for room; safe to retry with the same `id`. Nobody has to await it. */
  publish<T extends TypeOf<E>>(type: T, payload: E[T], options?: PublishOptions): Promise<Receipt<T, E[T]>>;
  /**
   * Events that are stored all or not at all. With an `id` of your own (at most 240 bytes) the batch is safe to retry:
   * its events have ids that follow from it, and the same batch again is answered with its first receipt.
   */
  batch(options?: { readonly id?: string }): Batch<E>;
  /**
   * Emits an event later, once: `{ after: '30m' }` or `{ at }`, by the wall clock. It is checked now, refused as `publish`
   * refuses, and in the log when this resolves: it survives a restart, where what is overdue is emitted at once, in order
   * of due time. It belongs to the chain in which it was scheduled. A `key` cancels it, and replaces what waits under
   * that key. Without a store it waits in memory, until the bus closes. Nothing keeps the process alive for it. A bus
   * keeps 50,000 (`SCHEDULES_FULL`). Rejects with `INVALID_OPTION`, `INVALID_TIME`, `INVALID_DURATION` too.
   */
  schedule<T extends TypeOf<E>>(type: T, payload: E[T], options: ScheduleOptions): Promise<Scheduled<T, E[T]>>;
  readonly schedules: Schedules;

  /** Calls `handler` for every event of the pattern, in order, one at a time unless `key` or `concurrency` say otherwise. */
  on<P extends string>(
    pattern: P,
    handler: Handler<E, P>,
    options?: Keyed<Filtered<SubscribeOptions, E, P>, E, P>,
  ): Undo;
  /**
   * Answers what is asked with `ask`: with the handler's value, plain data like a payload; or, from an async generator or
   * another async iterable, with its items one by one. `context.signal` is aborted when the asker gives up. What the
   * handler throws goes to the asker alone. Events of the type that are emitted do not come here. Those who answer one
   * type share its questions.
   */
  answer<T extends TypeOf<E>>(
    type: T,
    handler: Handler<E, T>,
    options?: Keyed<Filtered<AnswerOptions, E, T>, E, T>,
  ): Undo;
  /** The next event of the pattern. Rejects with `TIMEOUT`, `ABORTED`, `BUS_CLOSED`. */
  once<P extends string>(pattern: P, options?: Filtered<OnceOptions, E, P>): Promise<EventOf<E, P>>;
  observe<P extends string>(pattern: P, options?: Filtered<ObserveOptions, E, P>): Observable<EventOf<E, P>>;
  iterate<P extends string>(pattern: P, options?: Filtered<IterateOptions, E, P>): AsyncIterableIterator<EventOf<E, P>>;
  /** A named RxJS pipeline from a pattern to new events. An error in it is reported and it is built anew. */
  pipeline<P extends string>(name: string, pattern: P, build: BuildPipeline<E, P>): Undo;

  /**
   * The state that `reducer` makes of stored events, in position order, beginning with `initial` (or what it answers:
   * give a function where the reducer changes the state in place). `until` a time gives the past. Reads all that is
   * selected, an entity's events from an index. Rejects with `HANDLER_FAILED` where the reducer throws, `INVALID_OPTION`
   * where it answers with a Promise, `STORE_REQUIRED`, and as `query` does.
   */
  fold<State, P extends string = '**', T extends string = never>(
    initial: State | (() => State),
    reducer: (
      state: State,
      event: EventOf<E, Asked<P, T>> & Pick<StoredEvent, 'position' | 'revision' | 'storedAt'>,
    ) => State,
    options?: Selected<FoldOptions, E, P, T>,
  ): Promise<State>;
  /**
   * Tells stored events again, from the next tick on. Handlers and observers run with what they emit captured: it goes
   * nowhere but into `result.emitted`. Throws `INVALID_OPTION`, `INVALID_QUERY` and what else is wrong with the options;
   * places are looked up later, so that `finished` rejects with `INVALID_PLACE` and `EVENTS_REMOVED`.
   */
  replay<P extends string = '**', T extends string = never>(
    options: Replayed<E, P, T> & { readonly dryRun: true },
  ): Replay<ReplayPreview>;
  replay<P extends string = '**', T extends string = never>(
    options: Replayed<E, P, T> & { readonly into: ReplayInto<E, Asked<P, T>> },
  ): Replay;

  /** Runs `fn` so that what is emitted inside belongs to this chain. */
  withContext<Result>(context: ContextInfo, fn: () => Result): Result;
  /** What an event emitted here and now comes from; undefined where there is nothing. */
  context(): ContextInfo | undefined;
  /** `fn` with the context of here and now, for pools that lose it. 40 ns a call. */
  bind<Fn extends (...args: never[]) => unknown>(fn: Fn): Fn;
  /** Runs `fn` between `name.started` and `name.finished` or `name.failed`; answers and throws as `fn` does. */
  record<Result>(name: string, details: unknown, fn: () => Result): Result;

  /** Everything emitted so far is stored; rejects with what is not. Tries a store that has failed again at once. */
  flush(): Promise<void>;
  /** Every handler has ended and nothing waits, what they caused included. Rejects with `TIMEOUT`. */
  settled(options?: { readonly timeout?: Duration }): Promise<void>;
  health(): Health;
  metrics(): Metrics<SubscriptionFigures, RemovedFigures, ConsumerFigures, ActorFigures, ActorsGone>;
  /**
   * Lets running handlers finish, stores what was accepted, closes the store; each phase within `closeTimeout`. May be
   * called again: the answer is the same. Rejects with `STORE_FAILED` where something could not be stored or closed,
   * the report in its `details`; with `WOULD_DEADLOCK` inside a handler or a sink.
   */
  close(): Promise<CloseReport>;
}
