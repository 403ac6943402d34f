import type { Ask } from './asking-api.ts';
import type { Duration } from './duration.ts';
import type { TelltaleEvent } from './event/event.ts';
import type { Place } from './event/place.ts';
import type { AnyEvents, EventOf } from './event/typed-patterns.ts';
import type { Filter } from './filter/language.ts';
import type { EmitOptions } from './intake/emit-options.ts';
import type { Durability, Expectation } from './store/port.ts';
import type { Scheduled, ScheduleOptions } from './schedule-api.ts';
import type { TypeOf, Filtered } from './typed-options.ts';

/** The second argument of every handler. Its functions may be taken out: `(event, { emit }) => …`. */
export interface HandlerContext<E = AnyEvents> {
  /** Aborted when the subscription is removed, the bus stops waiting for this handler, or its asker has given up. */
  readonly signal: AbortSignal;
  /** From 1. */
  readonly attempt: number;
  /** Position in the log; undefined while the event is not stored. */
  readonly position: number | undefined;
  /** Which replay tells the event again, and whether it captures what is emitted; undefined when it is new. */
  readonly replay: { readonly id: string; readonly captures: boolean } | undefined;
  /** As `bus.emit`, with this event as the cause, also where the platform loses the context. */
  readonly emit: <T extends TypeOf<E>>(type: T, payload: E[T], options?: EmitOptions) => TelltaleEvent<T, E[T]>;
  /**
   * As `bus.publish`, with this event as the cause. In a handler with `checkpointIn` it belongs to the transaction: it
   * resolves at once (`durability: 'pending'`), is stored when the handler has ended, and fails the handler where it
   * rejects, whether that looked or not; `PUBLISH_IN_TRANSACTION` when the handler has ended.
   */
  readonly publish: <T extends TypeOf<E>>(
    type: T,
    payload: E[T],
    options?: PublishOptions,
  ) => Promise<Receipt<T, E[T]>>;
  readonly once: <P extends string>(pattern: P, options?: Filtered<OnceOptions, E, P>) => Promise<EventOf<E, P>>;
  /** As `bus.ask`, with this event as the cause, also where the platform loses the context. */
  readonly ask: Ask<E>;
  /** As `bus.schedule`, with this event as the cause, also where the platform loses the context. */
  readonly schedule: <T extends TypeOf<E>>(
    type: T,
    payload: E[T],
    options: ScheduleOptions,
  ) => Promise<Scheduled<T, E[T]>>;
  /** Until when the asker of this question waits, epoch ms; `signal` is aborted then. Undefined where nobody asked. */
  readonly deadline: number | undefined;
  /**
   * Runs `fn` once for this event and `name`, and gives its result back on every retry, redelivery and rebuild, also
   * after a restart: it is stored as `$effect.done`, for 30 days unless retention says otherwise. The result is plain
   * data (what is not, as `toPlain` makes it) and frozen from the first time on; `PAYLOAD_TOO_LARGE`, `PAYLOAD_TOO_DEEP`
   * where no payload could hold it. What `fn` throws is thrown, not stored, and it runs again next time. The name is one
   * within the handler: the same name again, also at the same time, is the same result; effects that wait for each other
   * are `WOULD_DEADLOCK`. Known by the name of the consumer or actor, by group and pattern, or else by the pattern of
   * the subscription and its place among those of this pattern, in the order in which they subscribed; these must stay
   * the same. Without a store, and for transient events, for the attempts of this handling only. A process that dies
   * between `fn` and the store runs it again: give `event.id` to the other side. A replay gets what is stored. Where
   * nobody awaits it, the bus does before it closes, and a failure is reported as `$bus.effect.failed`.
   */
  readonly effect: <T>(name: string, fn: () => T | Promise<T>) => Promise<T>;
}

export interface PublishOptions extends EmitOptions {
  /** What must still hold when the event is stored; otherwise `EXPECTATION_FAILED`. */
  readonly expect?: Expectation;
  /** Stops waiting; the event may be stored all the same. */
  readonly signal?: AbortSignal;
}

/** What is known of a published event when its promise resolves. */
export interface Receipt<Type extends string = string, Payload = unknown> {
  readonly event: TelltaleEvent<Type, Payload>;
  /** 0 where the event is not stored, or not yet. */
  readonly position: number;
  /** Within its entity; 0 without entity. */
  readonly revision: number;
  /**
   * `none`: transient, dropped, or the bus has no store. `pending`: published in a handler with `checkpointIn`; it is stored
   * with the handler's transaction, or not at all, and its position is known to whoever hears it.
   */
  readonly durability: 'none' | 'pending' | Durability;
  /** The id was known with the same content: this is its first receipt again. */
  readonly duplicate: boolean;
  /** The admit stage that dropped the event. */
  readonly dropped?: string;
}

export interface OnceOptions {
  readonly where?: Filter;
  /** The first event stored from here on, inclusive, in place of the next one that is delivered. */
  readonly from?: Place;
  /** Rejects with `TIMEOUT` after this long. @default waits for ever */
  readonly timeout?: Duration;
  readonly signal?: AbortSignal;
}
