import type { HandlerContext } from './handler-api.ts';
import type { ConsumerEntry } from './delivery/listing.ts';
import type { ConsumeOptions, ConsumerBatch } from './delivery/options.ts';
import type { CheckpointTarget, SyncAnswer, SynchronousTarget } from './delivery/target.ts';
import type { ConsumerLag, ConsumerStatus } from './delivery/terms.ts';
import type { Place } from './event/place.ts';
import type { StoredEventOf } from './event/typed-patterns.ts';
import type { Filtered, Keyed } from './typed-options.ts';

/** One member of a consumer, from `consume` until `stop`. */
export interface Consumer extends AsyncDisposable {
  readonly name: string;
  readonly status: ConsumerStatus;
  /** Why it has paused by itself or ended with status `failed`; undefined otherwise. */
  readonly error: unknown;
  /** Everything at or below it is done with: where it goes on after a crash, or a little before. */
  readonly position: number;
  readonly lag: ConsumerLag;
  /** Members at work under its name, this one included. */
  readonly members: number;
  /** Which of its group's 64 partitions it has; `[0]` without a group. */
  readonly partitions: readonly number[];
  /** Resolves when it has its checkpoint. Rejects with what stands against it: `INVALID_PLACE`, `INVALID_OPTION` where others of its name read something else. */
  readonly started: Promise<void>;
  /** Begins nothing more; what runs goes on. */
  pause(): void;
  /** Goes on; what has failed is tried again first. */
  resume(): void;
  /**
   * Begins again at a place, inclusive, once running handlers have ended; every member of its group does. Rejects with
   * `WOULD_DEADLOCK` inside its own handler, `INVALID_PLACE`, `INVALID_OPTION` where `checkpointIn` has no `onReset`, and
   * with what that or the target fails of: then it goes on where it was.
   */
  rewind(place: Place): Promise<void>;
  /**
   * Resolves when all that is stored by now is done with, or it was stopped. Rejects where it has paused by itself or
   * failed, with the code of its `error` (`HANDLER_FAILED` for any other), and with `WOULD_DEADLOCK` inside its own handler.
   */
  caughtUp(): Promise<void>;
  /**
   * Lets running handlers end within the bus's `closeTimeout`, writes the last checkpoint, gives its partitions back. May
   * be called again. Rejects with `WOULD_DEADLOCK` inside its own handler.
   */
  stop(): Promise<void>;
}

/** The consumers of a store. Every call rejects with `STORE_REQUIRED` on a bus without one. */
export interface Consumers {
  /** By name, those that do not run too. Looks up one event for each. */
  list(): Promise<readonly ConsumerEntry[]>;
  /** Forgets a checkpoint; false where there is none. Rejects with `INVALID_OPTION` while its consumer runs. */
  remove(name: string): Promise<boolean>;
}

/** The context of a consumer's handler; `tx` is what `checkpointIn` commits together with the checkpoint. */
export type ConsumerContext<E, Tx = undefined> = HandlerContext<E> & { readonly tx: Tx };

/** What `consume` takes beside name, pattern and handler, knowing the events. */
export type ConsumeTerms<E, P extends string, Tx> = Omit<
  Keyed<Filtered<ConsumeOptions, E, P>, E, P>,
  'batch' | 'checkpointIn' | 'onReset'
> & {
  readonly batch?: undefined;
  /**
   * Keeps the checkpoint where the handler keeps what it makes of the events, so that each takes effect there exactly
   * once. @default the bus's store: at least once, with `event.id` as the key by which a repetition is known
   */
  readonly checkpointIn?: CheckpointTarget<Tx> & { readonly synchronous?: never };
  /** With `checkpointIn`: makes the state as it was before the first event; `rewind` needs it. */
  readonly onReset?: (tx: Tx) => unknown;
};

/** With a target whose handlers must be done when they return. */
export type SynchronousTerms<E, P extends string, Tx> = Omit<
  ConsumeTerms<E, P, Tx>,
  'batch' | 'checkpointIn' | 'onReset'
> & {
  readonly checkpointIn: SynchronousTarget<Tx>;
  /** Makes the state as it was before the first event; `rewind` needs it. */
  readonly onReset?: (tx: Tx) => SyncAnswer;
};

/** The part of a bus that consumes its log. */
export interface Consuming<E> {
  /**
   * A durable subscription: goes on where it stopped, after a crash too. It hears everything that is stored, from its
   * checkpoint on, in position order or in that of each `key`, at least once; `event.id` is the key by which a repetition
   * is known, and `checkpointIn` takes it away. Ends with status `failed` and `LEASE_LOST` when another one of its name
   * takes over. Throws `STORE_REQUIRED`, and what is wrong with the options.
   */
  consume<P extends string, Tx = undefined>(
    name: string,
    pattern: P,
    handler: (event: StoredEventOf<E, P>, context: ConsumerContext<E, Tx>) => unknown,
    options?: ConsumeTerms<E, P, Tx>,
  ): Consumer;
  /**
   * The handler is given arrays of at most `batch.max`, one at a time. What it emits comes from the last of them; all of
   * them are named by `metadata: { causes: events.map(({ id }) => id) }`.
   */
  consume<P extends string, Tx = undefined>(
    name: string,
    pattern: P,
    handler: (events: readonly StoredEventOf<E, P>[], context: ConsumerContext<E, Tx>) => unknown,
    options: Omit<ConsumeTerms<E, P, Tx>, 'batch'> & { readonly batch: ConsumerBatch },
  ): Consumer;
  /** With a target such as `sqliteTarget`: its handlers answer with no Promise. */
  consume<P extends string, Tx>(
    name: string,
    pattern: P,
    handler: (event: StoredEventOf<E, P>, context: ConsumerContext<E, Tx>) => SyncAnswer,
    options: SynchronousTerms<E, P, Tx> & { readonly batch?: undefined },
  ): Consumer;
  consume<P extends string, Tx>(
    name: string,
    pattern: P,
    handler: (events: readonly StoredEventOf<E, P>[], context: ConsumerContext<E, Tx>) => SyncAnswer,
    options: SynchronousTerms<E, P, Tx> & { readonly batch: ConsumerBatch },
  ): Consumer;
  readonly consumers: Consumers;
}
