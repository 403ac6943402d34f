import type { SinkFigures } from '../store/sink-figures.ts';
import type { HistogramSnapshot } from './histogram.ts';
import { Histogram } from './histogram.ts';

/**
 * The books of one bus since it was created. They always balance:
 * offered = accepted + refused; accepted = stored + waiting + transient + unstored; and for each subscription
 * routed = handled + failed + running + queued + dropped + cancelled.
 */
export interface Metrics<Subscription, Removed = unknown, Consumer = unknown, Actor = unknown, Gone = unknown> {
  /** Events somebody tried to emit, publish or commit, the bus's own letters included. */
  readonly offered: number;
  readonly accepted: number;
  /** Turned away: by admission, a schema, a stage, an expectation, a conflict, or for want of room. */
  readonly refused: number;
  /** The part of `refused` that an admit stage dropped. */
  readonly droppedByStages: number;
  /** Acknowledged by the store, duplicates included. */
  readonly stored: number;
  /** The part of `stored` that was there already. */
  readonly duplicates: number;
  /** Accepted and not acknowledged yet. */
  readonly waiting: number;
  readonly transient: number;
  /** Accepted and kept nowhere: the bus has no store, or its store has failed. */
  readonly unstored: number;
  readonly dispatched: number;
  /** Dispatched to nobody. */
  readonly unheard: number;
  /** Transient events for which a mailbox had no room, by type. */
  readonly transientDropped: Readonly<Record<string, number>>;
  /** Publishes that were rejected, whether or not anybody awaited them. */
  readonly rejectedPublishes: number;
  /** Plain outputs of pipelines that had no cause. */
  readonly causelessOutputs: number;
  readonly deadLetters: number;
  /** asked = answered + failed + waiting. `late`: answers that came after their asker had given up. */
  readonly asks: {
    readonly asked: number;
    readonly answered: number;
    readonly failed: number;
    readonly waiting: number;
    readonly late: number;
  };
  readonly ingress: { readonly events: number; readonly bytes: number };
  readonly backlog: { readonly events: number; readonly bytes: number };
  /** Answers kept by the cache of the bus, and how often one was there; all 0 without cache. */
  readonly cache: {
    readonly entries: number;
    readonly bytes: number;
    readonly hits: number;
    readonly misses: number;
  };
  readonly subscriptions: readonly Subscription[];
  /** The books of all subscriptions that were removed and have ended, summed up. */
  readonly removed: Removed;
  /** The consumers of this bus. */
  readonly consumers: readonly Consumer[];
  /** The sinks of this bus. */
  readonly sinks: readonly SinkFigures[];
  /** The actors of this bus, children too; their books balance as those of subscriptions do. */
  readonly actors: readonly Actor[];
  /** The books of all actors that have ended, summed up. */
  readonly actorsGone: Gone;
  readonly latencies: {
    /** One event to all its synchronous handlers; every 64th dispatch is timed. */
    readonly dispatch: HistogramSnapshot;
    /** Asynchronous handlers, from call to settlement, retries included. */
    readonly handle: HistogramSnapshot;
    /** From write to acknowledgement; every 16th write is timed. */
    readonly store: HistogramSnapshot;
  };
}

const MAX_TYPES = 1_000;

/** The counters behind `bus.metrics()`; plain fields, so that counting costs an increment. */
export class Counters {
  offered = 0;
  refused = 0;
  droppedByStages = 0;
  stored = 0;
  duplicates = 0;
  waiting = 0;
  transient = 0;
  unstored = 0;
  dispatched = 0;
  unheard = 0;
  rejectedPublishes = 0;
  causelessOutputs = 0;
  readonly dispatch = new Histogram();
  readonly handle = new Histogram();
  readonly store = new Histogram();
  readonly #transientDropped = new Map<string, number>();

  /** Events that were turned away at the door. */
  refuse(count: number): void {
    this.offered += count;
    this.refused += count;
  }

  dropTransient(type: string): void {
    const name = this.#transientDropped.size < MAX_TYPES || this.#transientDropped.has(type) ? type : '(other)';
    this.#transientDropped.set(name, (this.#transientDropped.get(name) ?? 0) + 1);
  }

  snapshot<Subscription, Removed, Consumer, Actor, Gone>(
    now: Pick<
      Metrics<Subscription, Removed, Consumer, Actor, Gone>,
      | 'ingress'
      | 'backlog'
      | 'cache'
      | 'subscriptions'
      | 'removed'
      | 'consumers'
      | 'sinks'
      | 'actors'
      | 'actorsGone'
      | 'deadLetters'
      | 'asks'
    >,
  ): Metrics<Subscription, Removed, Consumer, Actor, Gone> {
    return {
      offered: this.offered,
      accepted: this.offered - this.refused,
      refused: this.refused,
      droppedByStages: this.droppedByStages,
      stored: this.stored,
      duplicates: this.duplicates,
      waiting: this.waiting,
      transient: this.transient,
      unstored: this.unstored,
      dispatched: this.dispatched,
      unheard: this.unheard,
      rejectedPublishes: this.rejectedPublishes,
      causelessOutputs: this.causelessOutputs,
      ...now,
      transientDropped: Object.fromEntries(this.#transientDropped),
      latencies: {
        dispatch: this.dispatch.snapshot(),
        handle: this.handle.snapshot(),
        store: this.store.snapshot(),
      },
    };
  }
}
