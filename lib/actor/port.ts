import type { Clock } from '../clock.ts';
import type { Envelope, Recipient } from '../event/envelope.ts';
import type { StoredEvent } from '../event/event.ts';
import type { ContextPort } from '../invoke/handler-context.ts';
import type { Failure } from '../invoke/invoke.ts';
import type { Turn } from '../mailbox/turn.ts';
import type { Serial } from '../serial.ts';
import type { Store } from '../store/port.ts';
import type { Behaviour } from './behaviour.ts';
import type { ActorFigures, InstanceInfo } from './figures.ts';

/** An actor as the bus sees it. */
export interface ActorRef extends Recipient {
  /** The name of an actor; for a child the place of its parent before it: `team/main/worker`. */
  readonly address: string;
  readonly behaviour: Behaviour;
  readonly live: boolean;
  /** Running and queued events. */
  readonly load: number;
  /** Takes an event whatever was offered before. One that its consumer has brought needs no room: the log is its mailbox. */
  take(envelope: Envelope, brought?: boolean): void;
  isHandling(id: string): boolean;
  figures(): ActorFigures;
  instances(): readonly InstanceInfo[];
  stop(key?: string): Promise<void>;
  /** A copy. */
  state(key?: string): Promise<unknown>;
  snapshot(key?: string): Promise<void>;
  cut(error: unknown): { readonly cut: number; readonly stillRunning: number };
}

/** Who looks after an actor. */
export interface Owner {
  /** It has failed, and that is left to its parent. */
  failed(error: unknown): void;
  /** It has ended. */
  forget(): void;
}

/** What an actor reaches of its bus. None of it throws unless it says so. */
export interface ActorPort {
  readonly clock: Clock;
  readonly turn: Turn;
  readonly context: ContextPort;
  /** Absent where the bus has no store. */
  readonly log: Log | undefined;
  /** Snapshots that nobody waits for, one after another: a thousand at once would keep all others from the store. */
  readonly snapshots: Serial;
  /** An event could not be handled: `receive` has failed for good, or could not be called. */
  failed(actor: ActorRef, envelope: Envelope, failure: Failure): void;
  /** Where the actor is durable: an event is done with. */
  handled(envelope: Envelope): void;
  /** Events for which the mailbox had no room. */
  dropped(actor: ActorRef, envelopes: readonly Envelope[]): void;
  /** Events that waited for an actor that has ended. */
  cut(actor: ActorRef, envelopes: readonly Envelope[], error: unknown): void;
  /** A value that may be an answer. Throws `PAYLOAD_*`. */
  plain(value: unknown): unknown;
  /** Emits a transient `$actor.*` event where anybody listens. */
  report(type: string, about: Readonly<Record<string, unknown>>): void;
  /** As `report`, for what failed: without a listener a warning of the process, unless somebody is told of it anyway. */
  broken(actor: ActorRef, about: Readonly<Record<string, unknown>>, error: unknown, warn?: boolean): void;
  /** Room or rest: whoever waits for it looks again. */
  eased(): void;
  /** What is handed out for this actor. */
  handleOf(actor: ActorRef): unknown;
  /** Makes an actor heard; answers the undo. */
  enlist(actor: ActorRef): () => void;
  /** A behaviour as `spawn` was given it. Throws what is wrong with it. */
  parse(given: unknown, address: string): Behaviour;
}

/** The log as actors that are persisted use it. */
export interface Log {
  readonly store: Store;
  readonly present: (event: StoredEvent) => StoredEvent;
  /** Through the door; undefined where an admit stage dropped it. Throws what admission refuses. */
  admit(cause: Envelope, type: string, payload: unknown, options: object): Envelope | undefined;
  /** An event of the bus's own type. */
  own(cause: Envelope, type: string, payload: unknown, entity: string): Envelope;
  /**
   * Stores events together, then delivers them. Rejects with `EXPECTATION_FAILED` where the entity of the first is no
   * longer at this revision, and with what the store refuses.
   */
  commit(events: readonly Envelope[], expect: number | undefined, fresh: boolean): Promise<Committed>;
}

export interface Committed {
  readonly position: number;
  readonly revisions: readonly number[];
  readonly storedAt: number;
  readonly duplicate: boolean;
}

/** Something the actor says has happened: what `receive` of an actor with `apply` answers with. */
export interface GivenFact {
  readonly type: string;
  readonly payload?: unknown;
  readonly options?: object;
}
