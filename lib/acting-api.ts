import type { ActorFigures, InstanceInfo } from './actor/figures.ts';
import type { SnapshotOptions } from './actor/snapshots.ts';
import type { SuperviseOptions } from './actor/supervision.ts';
import type { HandlerContext } from './handler-api.ts';
import type { AskOneOptions } from './asking-api.ts';
import type { Duration } from './duration.ts';
import type { StoredEvent, TelltaleEvent } from './event/event.ts';
import type { AnyEvents, EventOf } from './event/typed-patterns.ts';
import type { EmitOptions } from './intake/emit-options.ts';
import type { MailboxOptions } from './options.ts';
import type { TypeOf } from './typed-options.ts';

export type { ActorFigures, InstanceInfo };

/** Something that has happened to an entity: what `receive` answers with where there is an `apply`. */
export interface Fact<E = AnyEvents> {
  readonly type: TypeOf<E>;
  readonly payload?: E[keyof E];
  readonly options?: Omit<EmitOptions, 'id' | 'entity' | 'transient'>;
}

type Facts<E> = Fact<E> | readonly Fact<E>[];

/** What an actor does, and how it is kept. */
export interface Behaviour<State, E = AnyEvents> {
  /** The state an instance begins with; each gets a copy. */
  readonly initial: State | ((key: string) => State);
  /**
   * Handles one event at a time. Answers with the next state, nothing where it stays as it is; with an `apply`, it answers
   * with the facts it decides on: `{ type, payload }`, several, or nothing. May be asynchronous.
   *
   * Where something is persisted, what it emits is carried out when its facts are stored, together with them; it may run
   * again where somebody else has stored an event of the entity meanwhile (`context.effect` does things once).
   */
  receive(
    state: NoInfer<State>,
    event: EventOf<E, '**'>,
    context: ActorContext<E>,
  ): NoInfer<State> | Facts<E> | void | Promise<NoInfer<State> | Facts<E> | void>;
  /** Makes the next state of an event. Pure: all that a rebuild runs. */
  apply?(state: NoInfer<State>, event: EventOf<E, '**'>): NoInfer<State>;
  /** A path or a function: one instance for each key. @default one instance, `main` */
  readonly key?: string | ((event: EventOf<E, '**'>) => unknown);
  /** Patterns of events it hears beside what it is told. @default none */
  readonly on?: string | readonly string[];
  /** Of all its instances together. @default that of the bus */
  readonly mailbox?: MailboxOptions;
  readonly supervise?: SuperviseOptions;
  /**
   * What is stored, as events of the entity `name/key`: its facts, its whole state whenever `receive` answers with one, or
   * nothing. @default 'events' with `apply`, otherwise false
   */
  readonly persist?: 'events' | 'state' | false;
  /**
   * What is stored for it is handled at least once, also after a crash: its mailbox is the log. What it hears by `on` is
   * handled from its first start on. @default false
   */
  readonly durable?: boolean;
  /** When it, or `decide`, takes snapshots by itself, with `persist: 'events'`. @default where a rebuild took longer than 50 ms */
  readonly snapshot?: SnapshotOptions;
  /**
   * Instances with a key that have had nothing to do for so long are put aside; the next event brings them back, with
   * their state where it is persisted, otherwise with `initial`. @default '5m' where it is persisted, otherwise never
   */
  readonly idle?: Duration;
  /** Of the state: snapshots of another version are left alone. From 1. @default 1 */
  readonly schemaVersion?: number;
}

/** The third argument of `receive`. Its functions may be taken out. */
export interface ActorContext<E = AnyEvents> extends HandlerContext<E> {
  /** Of this instance; `main` for an actor without keys. */
  readonly key: string;
  /** The actor itself. */
  readonly self: Actor<unknown, E>;
  /** Answers whoever asked, once the facts are stored; nothing where nobody did. Throws `PAYLOAD_*`. */
  readonly answer: (value: unknown) => void;
  /** The child of this name, which is made where there is none; throws as `bus.actor` does. It ends with this instance, and when that begins anew. */
  readonly spawn: <Own>(name: string, behaviour: Behaviour<Own, E>) => Actor<Own, E>;
  /** Ends this instance behind this event. */
  readonly stop: () => void;
  /** Handles the events that come in another way. Forgotten when the instance begins anew. */
  readonly become: (receive: Behaviour<never, E>['receive']) => void;
  /** Puts this event off until `unstash`. Throws `MAILBOX_FULL` beyond `mailbox.max` events or `maxBytes`, all instances together; not for durable actors (`NOT_SUPPORTED`). */
  readonly stash: () => void;
  /** What was put off comes next, in its order. */
  readonly unstash: () => void;
}

export interface TellOptions extends EmitOptions {
  /** The instance, in place of what `key` says. */
  readonly key?: string;
}

/** A handle of an actor. Keyed actors need the key for `state` and `snapshot`; `stop` without key ends all of it. */
export interface Actor<State = unknown, E = AnyEvents> {
  readonly name: string;
  /**
   * An event of the bus that is handed to this actor, and heard by everybody who hears its type. Throws as `emit` does,
   * and `ACTOR_STOPPED`.
   */
  tell<T extends TypeOf<E>>(type: T, payload: E[T], options?: TellOptions): TelltaleEvent<T, E[T]>;
  /** Asks this actor, which answers with `context.answer`. Rejects as `bus.ask` does, and `ACTOR_STOPPED`. */
  ask<T extends TypeOf<E>, Value = unknown>(
    type: T,
    payload: E[T],
    options?: AskOneOptions & { readonly key?: string },
  ): Promise<Value>;
  /** Where it stands now, as a copy, rebuilt where it is put aside; undefined for an instance that is not there and not persisted. */
  state(key?: string): Promise<State | undefined>;
  /** Stores a snapshot now. Rejects with `INVALID_OPTION` unless events are persisted, `PAYLOAD_*`. */
  snapshot(key?: string): Promise<void>;
  /**
   * Lets it end what it handles, then its children, then itself; what waits for it becomes dead letters. An instance that
   * had failed is begun anew by its next event. Rejects with `WOULD_DEADLOCK` inside of itself, `INVALID_OPTION`.
   */
  stop(key?: string): Promise<void>;
  instances(): readonly InstanceInfo[];
}

/** Where an entity stands. */
export interface Loaded<State> {
  readonly state: State;
  /** 0 for one that has no events. */
  readonly revision: number;
}

/** What a command has led to. */
export interface Decision<State, E = AnyEvents> extends Loaded<State> {
  /** Its facts, stored. */
  readonly events: readonly StoredEvent<TypeOf<E>, E[keyof E]>[];
  /** What `receive` gave to `context.answer`. */
  readonly answer: unknown;
}

export interface Command<E = AnyEvents> {
  readonly type: TypeOf<E>;
  readonly payload?: E[keyof E];
}

/** Actors of a bus, and what they are made of without one. */
export interface Acting<E = AnyEvents> {
  /**
   * Starts an actor. Throws `INVALID_OPTION`, also where one of the name runs; `STORE_REQUIRED` where something is to be
   * persisted and the bus has no store.
   */
  actor<State>(name: string, behaviour: Behaviour<State, E>): Actor<State, E>;
  /**
   * The state of an entity, from its last snapshot and the events behind it. Rejects with `REBUILD_FAILED` where `apply`
   * throws, `EVENTS_REMOVED`, `INVALID_ENTITY`, `STORE_REQUIRED`.
   */
  load<State>(entity: string, behaviour: Behaviour<State, E>): Promise<Loaded<State>>;
  /**
   * Loads an entity, runs `receive` with a command, which is no event of the bus itself, and stores what it decides,
   * unless somebody else was faster: then once more, at most 10 times. Rejects with what `receive` and `apply` throw,
   * `EXPECTATION_FAILED`, `WOULD_DEADLOCK` in a `receive` whose facts are stored first, and as `load` does.
   */
  decide<State>(entity: string, behaviour: Behaviour<State, E>, command: Command<E>): Promise<Decision<State, E>>;
}
