import type { Clock } from '../clock.ts';
import { runWithCause } from '../context.ts';
import type { Envelope } from '../event/envelope.ts';
import type { StoredEvent } from '../event/event.ts';
import { HandlerContext, type ContextPort } from '../invoke/handler-context.ts';
import { invoke, type Failure } from '../invoke/invoke.ts';
import { createKeyedMailbox } from '../mailbox/keyed-mailbox.ts';
import type { Mailbox } from '../mailbox/mailbox.ts';
import { createPlainMailbox } from '../mailbox/plain-mailbox.ts';
import type { Paused, Turn } from '../mailbox/turn.ts';
import type { RetryPolicy } from '../retry.ts';
import type { Partition } from './partition.ts';
import type { Mark } from './progress.ts';
import type { CheckpointTarget, SkippedEvent, TargetCheckpoint } from './target.ts';
import { commitTo, retryIn } from './trusting.ts';
import { OtherFailure, within, type Call } from './within.ts';
import type { ConsumerHandler } from './terms.ts';

/** One event of a partition, until it is done with. */
export interface Item extends Mark {
  readonly envelope: Envelope;
  readonly partition: Partition;
  readonly lane: string | undefined;
  /** Its dead letter is tried again, and a target knows whether it has been counted. */
  readonly skipped?: SkippedEvent;
}

/** Items that are handled together; one unless there are batches. */
export interface Run {
  readonly items: readonly Item[];
  readonly partition: Partition;
  readonly lane: string | undefined;
  /** The batch it is one of, whose items are handled each for itself. */
  readonly batch?: Batch;
  /** Its key could not be told, and cannot be by trying again: it has no lane. */
  readonly keyFailure?: Failure;
  /** What became of its letter: no other is opened, however often it fails; one that is settled holds nothing. */
  letter?: 'open' | 'settled';
  /** It is left out, and done with when this has resolved: its letter is in the log. */
  lettered?: Promise<void>;
  /** Its dead letter is tried again, in this envelope. */
  retold?: Envelope;
}

/** A batch of which one has failed. */
interface Batch {
  readonly items: readonly Item[];
  next: number;
  /** What became of the item before the next one. */
  last: 'starting' | 'running' | 'ended';
}

export interface LanesTerms {
  readonly handler: ConsumerHandler;
  readonly keyed: boolean;
  readonly concurrency: number;
  readonly retry: RetryPolicy | undefined;
  readonly batch: { readonly max: number; readonly waitMs: number } | undefined;
  readonly target: CheckpointTarget | undefined;
}

export interface LanesPort {
  readonly clock: Clock;
  readonly turn: Turn;
  readonly context: ContextPort;
  /** May anything be begun now? */
  mayStart(): boolean;
  /** What the target knows a partition by. */
  keyOf(partition: Partition): string;
  done(run: Run): void;
  /** Answers whether the lane stays taken, so that what comes behind waits. */
  failed(run: Run, failure: Failure): 'free' | 'held';
  /** Given back to the log: its partition has another holder, or the consumer stops. */
  returned(items: readonly Item[]): void;
  /** A handler has ended. */
  eased(): void;
}

/**
 * Runs a consumer's handler. Ordering: in the order of `add` within a lane, side by side across lanes, as many at once
 * as `concurrency` says. Capacity: whoever adds looks at `queued` and `queuedBytes` first. Failure: told the port,
 * which says whether the lane goes on. Closing: what belongs to a partition that has ended is given back when its turn
 * comes, or by `drop`.
 */
export class Lanes implements Paused {
  readonly #port: LanesPort;
  readonly #terms: LanesTerms;
  readonly #mailbox: Mailbox<Item>;
  readonly #runs = new Set<Run>();
  #running = 0;
  /** Of batches that are gone through one by one: what has not begun. */
  #parted = 0;
  #filling: 'no' | 'waiting' | 'over' = 'no';
  #cancelFilling: (() => void) | undefined;
  /** Goes on in the next turn of the event loop. */
  #isPaused = false;

  constructor(port: LanesPort, terms: LanesTerms) {
    this.#port = port;
    this.#terms = terms;
    this.#mailbox = terms.keyed ? createKeyedMailbox({ evicts: false }) : createPlainMailbox();
  }

  get running(): number {
    return this.#running;
  }

  /** Does nothing go on by itself? */
  get isAtRest(): boolean {
    return this.#running === 0 && !this.#isPaused;
  }

  get queued(): number {
    return this.#mailbox.length;
  }

  /** Events that wait within their batch, as one of it has failed. */
  get parted(): number {
    return this.#parted;
  }

  get queuedBytes(): number {
    return this.#mailbox.bytes;
  }

  add(item: Item): void {
    const { concurrency, batch } = this.#terms;
    const isFree = this.#runs.size < concurrency && !batch && this.#port.mayStart();
    if (isFree && this.#mailbox.acquire(item.lane)) return this.#start([item], undefined);
    this.#mailbox.push(item, sizeOf(item), item.lane);
    if (batch) this.pump();
  }

  /** Begins what can be begun. */
  pump(): void {
    while (this.#runs.size < this.#terms.concurrency && this.#mailbox.length > 0 && this.#port.mayStart()) {
      if (!this.#isFilled()) return;
      if (!this.#port.turn.enter(this)) {
        this.#isPaused = true;
        return;
      }
      const next = this.#mailbox.take();
      if (!next) return;
      if (next.item.partition.isHeld) this.#start(this.#batchBehind(next.item), undefined);
      else {
        this.#mailbox.release(next.key);
        this.#port.returned([next.item]);
      }
    }
  }

  resume(): void {
    this.#isPaused = false;
    this.pump();
    this.#port.eased();
  }

  /** Runs again what holds its lane. */
  again(run: Run): void {
    this.#start(run.items, run);
    this.pump();
  }

  /** What waits behind a run that held its lane may go on. */
  free(run: Run): void {
    this.#goOn(run);
    this.pump();
  }

  /** Runs the items of a batch each for itself, one after the other; their lane is held until the last has ended. */
  oneByOne({ items, partition, lane }: Run): void {
    this.#parted += items.length;
    this.#walk({ items, next: 0, last: 'ended' }, partition, lane);
  }

  /** Answers everything that waits. */
  drop(): readonly Item[] {
    this.#cancelFilling?.();
    return this.#mailbox.clear();
  }

  isHandling(id: string): boolean {
    for (const { items } of this.#runs) if (items.some(({ envelope }) => envelope.event.id === id)) return true;
    return false;
  }

  // What is there now, up to the limit: whatever comes while it is handled makes the next batch.
  #batchBehind(first: Item): readonly Item[] {
    const items = [first];
    const { max } = this.#terms.batch ?? { max: 1 };
    while (items.length < max) {
      const next = this.#mailbox.takeBehind(first.lane);
      if (!next) break;
      if (next.partition === first.partition) items.push(next);
      else this.#port.returned([next]);
    }
    return items;
  }

  // A batch that is not full waits for more, once and for so long.
  #isFilled(): boolean {
    const { batch } = this.#terms;
    if (!batch || batch.waitMs === 0 || this.#mailbox.length >= batch.max || this.#filling === 'over') {
      this.#cancelFilling?.();
      this.#filling = 'no';
      return true;
    }
    if (this.#filling === 'no') {
      this.#filling = 'waiting';
      this.#cancelFilling = this.#port.clock.wait(batch.waitMs, () => {
        this.#filling = 'over';
        this.pump();
      });
    }
    return false;
  }

  #start(items: readonly Item[], known: Run | undefined): void {
    const { retry } = this.#terms;
    const { partition, lane } = items[0]!;
    const run = known ?? { items, partition, lane };
    const envelope = run.retold ?? items.at(-1)!.envelope;
    this.#runs.add(run);
    this.#running += items.length;
    partition.running++;
    envelope.running++;
    const { call, site } = this.#callOf(run, envelope);
    const context = new HandlerContext(envelope, this.#port.context, site);
    const given = this.#terms.batch ? items.map(eventOf) : eventOf(items[0]!);
    const terms = retry && { policy: retry, clock: this.#port.clock, signal: partition.ending };
    const attempt = (): ReturnType<typeof invoke> =>
      runWithCause(envelope, () => invoke(call, given, context, terms), undefined);
    const outcome = run.lettered?.then(attempt, otherFailure) ?? attempt();
    if (!(outcome instanceof Promise)) return this.#end(run, envelope, outcome);
    void outcome.then((failure) => {
      this.#end(run, envelope, failure);
      this.pump();
      this.#port.eased();
      return undefined;
    });
  }

  #callOf(run: Run, envelope: Envelope): Call {
    const { target, handler } = this.#terms;
    const { lettered, partition: site } = run;
    if (lettered) return { call: () => this.#leaveOut(run), site };
    return target ? this.#within(run, target, envelope) : { call: handler, site };
  }

  // In the handler's place and behind its letter, so that its lane waits and whoever stops waits for it: a checkpoint that
  // is on the disk before the letter is, in the log or in a target, would lose the event to a kill.
  async #leaveOut(run: Run): Promise<void> {
    const { target } = this.#terms;
    try {
      if (target) await commitTo(target, [{ ...this.#checkpointOf(run), isSkipped: true }], () => undefined);
    } catch (error) {
      throw new OtherFailure(error);
    }
  }

  #within(run: Run, target: CheckpointTarget, envelope: Envelope): Call {
    const { items, partition: site } = run;
    const { skipped } = items[0]!;
    const commit = async (work: (tx: unknown) => unknown): Promise<void> => {
      if (!skipped) return commitTo(target, [this.#checkpointOf(run)], work);
      const isAhead = await retryIn(target, skipped, work);
      if (isAhead) envelope.retelling?.dropped(envelope);
    };
    const { handler } = this.#terms;
    return within({ target, commit, handler, site, join: (tx) => this.#port.context.join(envelope, tx) });
  }

  #checkpointOf({ partition, items }: Run): TargetCheckpoint {
    const { position, envelope } = items.at(-1)!;
    return { key: this.#port.keyOf(partition), position, epoch: partition.epoch, eventId: envelope.event.id };
  }

  #end(run: Run, envelope: Envelope, failure: Failure | undefined): void {
    const { partition, items } = run;
    this.#runs.delete(run);
    this.#running -= items.length;
    envelope.running--;
    let verdict: 'free' | 'held' = 'free';
    if (failure === undefined) this.#port.done(run);
    else if (partition.isHeld) verdict = this.#port.failed(run, failure);
    else {
      // Whoever tries its letter again would wait for ever.
      if (run.retold) envelope.retelling?.dropped(envelope);
      this.#port.returned(items);
    }
    if (verdict === 'free') this.#goOn(run);
    partition.left();
  }

  #goOn(run: Run): void {
    const { batch, partition, lane } = run;
    if (!batch) return this.#release(run);
    const isWalking = batch.last === 'starting';
    batch.last = 'ended';
    if (!isWalking) this.#walk(batch, partition, lane);
  }

  #release({ lane, keyFailure }: Run): void {
    if (!keyFailure) this.#mailbox.release(lane);
  }

  // A loop: where the handler answers at once, each item would end within the one before it.
  #walk(batch: Batch, partition: Partition, lane: string | undefined): void {
    while (batch.last === 'ended') {
      const item = partition.isHeld ? batch.items[batch.next++] : undefined;
      if (!item) {
        const rest = batch.items.slice(batch.next);
        this.#parted -= rest.length;
        this.#port.returned(rest);
        return this.#mailbox.release(lane);
      }
      this.#parted--;
      batch.last = 'starting';
      this.#start([item], { items: [item], batch, partition, lane });
    }
    batch.last = 'running';
  }
}

const otherFailure = (error: unknown): Failure => ({ error: new OtherFailure(error), attempts: 1 });

const eventOf = ({ envelope }: Item): StoredEvent => envelope.event as StoredEvent;

// Only what waits is looked at.
const sizeOf = ({ envelope }: Item): number => envelope.bytes || JSON.stringify(envelope.event.payload)?.length || 0;
