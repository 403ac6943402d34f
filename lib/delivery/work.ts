import type { Clock } from '../clock.ts';
import { TelltaleError, withoutStack } from '../errors.ts';
import type { Envelope } from '../event/envelope.ts';
import type { StoredEvent } from '../event/event.ts';
import type { ContextPort } from '../invoke/handler-context.ts';
import type { Failure } from '../invoke/invoke.ts';
import { KeyFailure, laneKey } from '../invoke/lane-key.ts';
import type { Turn } from '../mailbox/turn.ts';
import { Held } from './held.ts';
import { Lanes, type Item, type Run } from './lanes.ts';
import { recipientOf } from './letters.ts';
import { Partition } from './partition.ts';
import { partitionOf } from './partition-of.ts';
import { noLetterError } from './refusals.ts';
import { Room } from './room.ts';
import type { SkippedEvent } from './target.ts';
import type { ConsumerBooks, ConsumerTerms } from './terms.ts';
import { OtherFailure } from './within.ts';

export interface WorkPort {
  readonly clock: Clock;
  readonly turn: Turn;
  readonly context: ContextPort;
  envelopeOf(event: StoredEvent): Envelope;
  mayStart(): boolean;
  keyOf(index: number): string;
  /** A checkpoint may have moved. */
  moved(): void;
  failed(envelope: Envelope, failure: Failure): void;
  gaveUp(envelope: Envelope, failure: Failure): Promise<boolean>;
  heldBack(envelope: Envelope, failure: Failure, wanted: () => boolean): Promise<void>;
  /** It cannot go on by itself. */
  stuck(error: unknown): void;
  /** A handler has ended. */
  eased(): void;
}

/**
 * The partitions that one member has, and what is done for them. Ordering: position order within a lane; an event is
 * taken once, however often a partition is read over. Capacity: `hasRoom` is asked before each event. Failure: as the
 * policy says: the event is left out, its lane waits, or everything does. Closing: `end` and `lose` give back what was
 * not begun.
 */
export class Work {
  readonly #port: WorkPort;
  readonly #terms: ConsumerTerms;
  readonly #lanes: Lanes;
  readonly #partitions = new Map<number, Partition>();
  readonly #held = new Held();
  readonly #room: Room;
  #opening = 0;
  readonly #stuckOf = new WeakSet<object>();
  readonly #counts = { taken: 0, handled: 0, skipped: 0, returned: 0 };

  constructor(port: WorkPort, terms: ConsumerTerms) {
    this.#port = port;
    this.#terms = terms;
    const { handler, concurrency, retry, batch, target } = terms;
    const keyed = terms.key !== undefined || this.#isSerial;
    const lanes = {
      ...port,
      keyOf: ({ index }: Partition) => port.keyOf(index),
      done: (run: Run) => this.#done(run),
      failed: (run: Run, failure: Failure) => this.#failed(run, failure),
      returned: (items: readonly Item[]) => this.#returned(items),
    };
    this.#lanes = new Lanes(lanes, { handler, keyed, concurrency, retry, batch, target });
    this.#room = new Room({ lanes: this.#lanes, partitions: this.#partitions });
  }

  get partitions(): ReadonlyMap<number, Partition> {
    return this.#partitions;
  }

  /** How far its last partition has come; undefined where there is none. */
  get position(): number | undefined {
    let lowest = Infinity;
    for (const { progress } of this.#partitions.values()) lowest = Math.min(lowest, progress.position);
    return lowest === Infinity ? undefined : lowest;
  }

  /** How far each partition has come. */
  get positions(): ReadonlyMap<number, number> {
    return new Map([...this.#partitions].map(([index, { progress }]) => [index, progress.position]));
  }

  /** The lowest position behind which something is to be read; undefined where there is no partition. */
  get start(): number | undefined {
    const held = [...this.#partitions.values()].filter(({ isHeld }) => isHeld);
    return held.length === 0 ? undefined : Math.min(...held.map(({ progress }) => progress.looked));
  }

  /** When the oldest event was stored that is not done with; undefined where there is none. */
  get oldestAt(): number | undefined {
    const oldest = [...this.#partitions.values()].flatMap(
      ({ progress }) => (progress.oldest as Item | undefined) ?? [],
    );
    if (oldest.length === 0) return undefined;
    return Math.min(...oldest.map(({ envelope }) => (envelope.event as StoredEvent).storedAt));
  }

  get books(): ConsumerBooks {
    const { running, queued, parted } = this.#lanes;
    return { ...this.#counts, running, queued: queued + parted + this.#held.events };
  }

  get running(): number {
    return this.#lanes.running;
  }

  /** Events that wait for their turn; what waits behind a failed one has none. */
  get waiting(): number {
    return this.#held.size === 0 ? this.#lanes.queued : 0;
  }

  /** Letters that are being opened. */
  get opening(): number {
    return this.#opening;
  }

  /** Is this what it was stuck of? */
  wasStuckOf(error: unknown): boolean {
    return this.#stuckOf.has(error as object);
  }

  get isStuck(): boolean {
    return this.#whyStuck() !== undefined;
  }

  /** What waits for somebody's hand, or holds up all the rest. */
  get hindrance(): string | undefined {
    if (this.#held.size > 0)
      return `${this.#held.text}: mend what they fail of and resume(), or settle their dead letters`;
    return this.#room.hindrance;
  }

  isHandling(id: string): boolean {
    return this.#lanes.isHandling(id);
  }

  give(partition: Partition): void {
    this.#partitions.set(partition.index, partition);
    this.#room.reaches(partition.progress.position);
  }

  /** Lets what runs end; what waits is given back. */
  async end(...partitions: readonly Partition[]): Promise<void> {
    const ended = partitions.map((partition) => partition.end());
    for (const partition of partitions) this.#forget(partition);
    await Promise.all(ended);
  }

  /** Another has it, or it was given back. */
  lose(index: number, reason: unknown): void {
    const partition = this.#partitions.get(index);
    if (!partition) return;
    this.#partitions.delete(index);
    partition.abort(reason);
    this.#forget(partition);
  }

  /** Is there room again for so many events that it is worth reading on? */
  get isEasy(): boolean {
    return this.#room.isEasy;
  }

  hasRoom({ position }: StoredEvent): boolean {
    this.#room.asks(position);
    if (!this.#port.mayStart()) return false;
    if (this.#room.look()) return true;
    this.#mayBeStuck();
    return false;
  }

  /** Takes the next event of the log; one that is for others is left to them. False where it can be left to nobody. */
  take(event: StoredEvent): boolean {
    const { position } = event;
    const envelope = this.#port.envelopeOf(event);
    const { key: keyOf, group } = this.#terms;
    const key = keyOf && laneKey(keyOf, envelope.event);
    const isKey = typeof key === 'string';
    if (key instanceof KeyFailure && this.#terms.target) return this.#isNobodys(envelope, key.failure);
    const partition = this.#partitions.get(group ? partitionOf(isKey ? key : event.id) : 0);
    if (!partition?.isHeld || position <= partition.progress.looked) return true;
    this.#counts.taken++;
    const item: Item = { position, done: false, envelope, partition, lane: this.#laneOf(partition, key) };
    partition.progress.take(item);
    if (key instanceof KeyFailure) {
      this.#port.failed(envelope, key.failure);
      this.#noKey({ items: [item], partition, lane: undefined, keyFailure: key.failure }, key.failure);
    } else this.#lanes.add(item);
    return true;
  }

  // With another key it belongs to a partition that may be beyond it, or not have come to it: only when it is not passed
  // by anybody, it is counted once.
  #isNobodys(envelope: Envelope, failure: Failure): false {
    this.#port.failed(envelope, failure);
    this.#port.stuck(failure.error);
    return false;
  }

  /** Everything up to this position was read. */
  looked(position: number): void {
    for (const { isHeld, progress } of this.#partitions.values()) if (isHeld) progress.look(position);
    this.#port.moved();
  }

  pump(): void {
    this.#lanes.pump();
  }

  /** Tries again what has failed. */
  resume(): void {
    for (const run of this.#held.takeAll())
      if (run.keyFailure) this.#noKey(run, run.keyFailure);
      else this.#lanes.again(run);
    this.#lanes.pump();
  }

  /** The letter about the event at this position is settled: its key waits no longer. */
  settle(position: number): void {
    const run = this.#held.settle(position);
    if (!run) return;
    this.#done(run, 'skipped');
    this.#lanes.free(run);
    this.#port.eased();
  }

  /** Hands an event to the handler once more: a dead letter is tried again. */
  again(envelope: Envelope): void {
    const run = envelope.position > 0 ? this.#held.find(envelope.position) : undefined;
    // Its target is still to be told that it is left out.
    if (run?.lettered) return envelope.retelling?.dropped(envelope);
    if (run?.keyFailure) return this.#tell(Object.assign(run, { retold: envelope }), run.keyFailure);
    if (run) {
      this.#held.take(run);
      return this.#lanes.again(Object.assign(run, { retold: envelope }));
    }
    const partition = new Partition({ recipient: recipientOf(this.#terms.name), index: -1, epoch: 0, after: 0 });
    const key = this.#terms.key && laneKey(this.#terms.key, envelope.event);
    const item = { position: envelope.position, done: false, envelope, partition };
    const lane = this.#laneOf(partition, key);
    if (key instanceof KeyFailure) this.#tell({ items: [{ ...item, lane }], partition, lane }, key.failure);
    else this.#lanes.add({ ...item, lane, ...(this.#terms.target && { skipped: this.#skippedOf(envelope, key) }) });
  }

  #skippedOf({ position, event }: Envelope, key: string | undefined): SkippedEvent {
    const { group } = this.#terms;
    const index = group ? partitionOf(key ?? event.id) : 0;
    return { position, key: this.#port.keyOf(index) };
  }

  // A target and batches take one after the other within a partition.
  get #isSerial(): boolean {
    return this.#terms.target !== undefined || this.#terms.batch !== undefined;
  }

  #laneOf({ index }: Partition, key: string | KeyFailure | undefined): string | undefined {
    if (key instanceof KeyFailure) return undefined;
    return this.#isSerial ? String(index) : key;
  }

  #done(run: Run, how: 'handled' | 'skipped' = run.lettered ? 'skipped' : 'handled'): void {
    this.#tell(run, undefined);
    const { items, partition } = run;
    if (partition.index < 0) return;
    this.#counts[how] += items.length;
    if (run.letter) this.#held.forget(run);
    for (const item of items) item.done = true;
    if (partition.progress.settle()) this.#port.moved();
  }

  #failed(run: Run, failure: Failure): 'free' | 'held' {
    if (run.partition.index < 0) {
      const { error, attempts } = failure;
      this.#tell(run, { error: error instanceof OtherFailure ? error.error : error, attempts });
      return 'free';
    }
    if (failure.error instanceof OtherFailure) return this.#otherFailed(run, failure.error);
    const { onFailure } = this.#terms;
    // One of them has failed, and only that one is to be left out.
    if (run.items.length > 1 && onFailure === 'skip-event') {
      this.#lanes.oneByOne(run);
      return 'held';
    }
    if (!run.retold) for (const { envelope } of run.items) this.#port.failed(envelope, failure);
    return onFailure === 'skip-event' ? this.#skip(run, failure) : this.#hold(run, failure);
  }

  // No event is to blame, so none is left out.
  #otherFailed(run: Run, { error }: OtherFailure): 'held' {
    this.#tell(run, { error, attempts: 0 });
    this.#held.add(run);
    this.#port.stuck(error);
    return 'held';
  }

  #skip(run: Run, failure: Failure): 'held' {
    this.#tell(run, failure);
    const letters = run.items.map(({ envelope }) => this.#port.gaveUp(envelope, failure));
    run.lettered = Promise.all(letters).then((stored) => {
      if (stored.every(Boolean)) return undefined;
      delete run.lettered;
      throw noLetterError(this.#terms.name, run.items[0]!.position);
    });
    this.#lanes.again(run);
    return 'held';
  }

  #openLetter(run: Run, failure: Failure): void {
    if (!this.#held.letter(run)) return;
    for (const { envelope } of run.items) {
      this.#opening++;
      void this.#port
        .heldBack(envelope, failure, () => run.letter === 'open')
        .finally(() => {
          this.#opening--;
          this.#port.eased();
        });
    }
  }

  #hold(run: Run, failure: Failure): 'free' | 'held' {
    this.#tell(run, failure);
    if (run.letter === 'settled') {
      this.#done(run, 'skipped');
      return 'free';
    }
    this.#held.add(run);
    if (this.#terms.onFailure === 'pause') this.#port.stuck(failure.error);
    else {
      this.#openLetter(run, failure);
      this.#mayBeStuck();
    }
    return 'held';
  }

  // A key that cannot be told stands in nobody's way.
  #noKey(run: Run, failure: Failure): void {
    if (this.#terms.onFailure === 'pause') this.#hold(run, failure);
    else this.#skip(run, failure);
  }

  // Whoever tries a dead letter again is told how it went.
  #tell(run: Run, failure: Failure | undefined): void {
    const envelope = run.retold ?? (run.partition.index < 0 ? run.items[0]!.envelope : undefined);
    delete run.retold;
    if (failure) envelope?.retelling?.failed(envelope, failure.error, failure.attempts);
    envelope?.retelling?.ended(envelope);
  }

  #forget(partition: Partition): void {
    for (const run of this.#held) {
      if (run.partition !== partition) continue;
      this.#held.forget(run);
      this.#returned(run.items);
      this.#lanes.free(run);
    }
    this.#lanes.pump();
  }

  /** Nothing waits any more: it is read again at the next start. */
  drop(): void {
    this.#returned(this.#lanes.drop());
  }

  #returned(items: readonly Item[]): void {
    for (const { envelope, partition } of items)
      if (partition.index < 0) envelope.retelling?.dropped(envelope);
      else this.#counts.returned++;
  }

  #mayBeStuck(): void {
    const text = this.#whyStuck();
    if (text === undefined) return;
    const { name } = this.#terms;
    const message = `consumer \`${name}\` has paused: ${text}; mend what they fail of and \`resume()\`, or settle their dead letters`;
    const details = { name, waiting: this.#held.size, lowest: this.#room.lowest };
    const error = withoutStack(() => new TelltaleError('HANDLER_FAILED', message, { details }));
    this.#stuckOf.add(error);
    this.#port.stuck(error);
  }

  #whyStuck(): string | undefined {
    return this.#held.whyStuck(this.#room.surroundings);
  }
}
