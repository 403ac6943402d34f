import { currentCause } from '../context.ts';
import { endsWithin } from '../ends-within.ts';
import { isTelltaleError, TelltaleError, toError } from '../errors.ts';
import type { Envelope } from '../event/envelope.ts';
import type { StoredEvent } from '../event/event.ts';
import type { Place } from '../event/place.ts';
import { checkPlace } from '../store/read/resolve-place.ts';
import { Arrivals } from './arrivals.ts';
import { startOf } from './beginning.ts';
import { Claims } from './claims.ts';
import { keyOf, ledgerTermsOf, type Seat } from './ledger.ts';
import { recipientOf } from './letters.ts';
import { Partition } from './partition.ts';
import { Reader } from './reader.ts';
import { insideError, lateError, lostError, noResetError, overError, stuckError } from './refusals.ts';
import { Rewinds } from './rewinds.ts';
import { Seats } from './seats.ts';
import type { ConsumerFigures, ConsumerLag, ConsumerPort, ConsumerStatus, ConsumerTerms } from './terms.ts';
import { Work } from './work.ts';

/**
 * A durable subscription: reads the log from its checkpoint, then the commit feed. What stands against it (its place, its
 * group, its store) is told by `started` and `status`.
 *
 * Ordering: position order within a lane. Delivery: at least once; what is at or below the checkpoint never again, what
 * was done above it once more after a crash. Capacity: 1,000 events or 16 MiB wait in memory, 10,000 positions beyond
 * the checkpoint; the rest waits in the log. Failure: retried, then as `onFailure` says; a store that does not answer is
 * asked again; any other error of the store, and another consumer that takes over, end it with status `failed`.
 * Closing: running handlers end, the last checkpoint is written, everything is given back.
 */
export class Consumer {
  readonly name: string;
  readonly terms: ConsumerTerms;
  /** Resolves when it has its checkpoint and reads; rejects with what stands against it. */
  readonly started: Promise<void>;
  readonly #port: ConsumerPort;
  readonly #seats: Seats;
  readonly #work: Work;
  readonly #claims: Claims;
  readonly #reader: Reader;
  readonly #rewinds: Rewinds;
  readonly #arrivals = new Arrivals();
  readonly #leaveFeed: () => void;
  #head = 0;
  #lastAt: number;
  #lastPosition = 0;
  /** Set where it begins at a time that is still to come. */
  #storedFrom = 0;
  #status: ConsumerStatus = 'starting';
  /** What it becomes when it has its checkpoint. */
  #wanted: 'running' | 'paused' = 'running';
  #error: unknown;
  #stopping: Promise<void> | undefined;

  constructor(port: ConsumerPort, terms: ConsumerTerms) {
    this.name = terms.name;
    this.#port = port;
    this.terms = terms;
    this.#lastAt = port.clock.now();
    this.#leaveFeed = port.store.onCommit((events) => (this.#head = events.at(-1)?.position ?? this.#head));
    this.#seats = this.#createSeats();
    this.#work = this.#createWork();
    this.#claims = new Claims(port, terms, this.#seats.ask.bind(this.#seats));
    this.#reader = this.#createReader();
    this.#rewinds = this.#createRewinds();
    this.started = this.#start();
    this.started.catch(() => undefined); // The status says it too.
  }

  get status(): ConsumerStatus {
    return this.#status;
  }

  /** Why it has paused by itself, or ended; undefined otherwise. */
  get error(): unknown {
    return this.#error;
  }

  /** Everything at or below it is done with; of the partitions it has, the lowest. */
  get position(): number {
    const lowest = Math.min(this.#work.position ?? Infinity, this.#claims.position ?? Infinity);
    if (lowest !== Infinity) this.#lastPosition = lowest;
    return this.#lastPosition;
  }

  get lag(): ConsumerLag {
    const events = Math.max(0, this.#head - this.position);
    if (events === 0) return { events, ms: 0 };
    const since = this.#work.oldestAt ?? this.#lastAt;
    return { events, ms: Math.max(0, this.#port.clock.now() - since) };
  }

  /** Members of its group, this one included. */
  get members(): number {
    return this.#seats.members.length;
  }

  /** Partitions it has: all 64 of a group's only member, 1 where there is no group. */
  get partitions(): readonly number[] {
    return [...this.#work.partitions.keys()].toSorted((a, b) => a - b);
  }

  /** What runs, and what it has not been told to leave: one more where the log has some that were not read yet. */
  get load(): number {
    if (this.#status === 'starting') return 1;
    const { running } = this.#work;
    if (this.#status !== 'running') return running;
    const { waiting, opening } = this.#work;
    return running + waiting + opening + this.#claims.open + (this.#reader.isBehind ? 1 : 0);
  }

  /** Can an event be given to it again? */
  get isListening(): boolean {
    return this.#status === 'running' || this.#status === 'paused';
  }

  /** What it waits for that may need somebody's hand; undefined where it is nothing of the kind. */
  get hindrance(): string | undefined {
    return this.isListening ? this.#work.hindrance : undefined;
  }

  get figures(): ConsumerFigures {
    const { name, pattern } = this.terms;
    const { status, position, lag } = this;
    return { name, pattern, status, position, lag, ...this.#work.books };
  }

  /** Begins nothing more; what runs goes on. */
  pause(): void {
    this.#wanted = 'paused';
    if (this.isListening) this.#become('paused', undefined);
  }

  /** Goes on; what has failed is tried again first. */
  resume(): void {
    this.#wanted = 'running';
    if (!this.isListening) return;
    this.#become('running', undefined);
    this.#work.resume();
    this.#reader.ease();
  }

  /**
   * Begins again at a place, inclusive; every member of its group does. Rejects with `WOULD_DEADLOCK` inside its own
   * handler, `INVALID_PLACE`, and `INVALID_OPTION` where a target keeps state and no `onReset` says how it begins again;
   * with what `onReset` or the target failed of, and goes on where it was.
   */
  async rewind(place: Place): Promise<void> {
    this.#mustNotBeInside('rewind');
    if (this.terms.target && !this.terms.onReset) throw noResetError(this.name);
    checkPlace(place, 'rewind');
    await this.started;
    const { after } = await startOf(this.#port, place, 'rewind');
    await this.#rewinds.rewind(after);
  }

  /**
   * Lets running handlers end, as long as a closing bus would wait for them, and writes the last checkpoint. May be
   * called again. Rejects with `WOULD_DEADLOCK` inside its own handler.
   */
  async stop(): Promise<void> {
    this.#mustNotBeInside('stop');
    return (this.#stopping ??= this.#stop());
  }

  /** Resolves when all that is stored now is done with, or when it was stopped; rejects with what it does not go on for. */
  async caughtUp(): Promise<void> {
    this.#mustNotBeInside('caughtUp');
    await this.#port.written();
    const arrived = this.#arrivals.at((await this.#port.store.head()).position);
    const letGo = this.#port.clock.wait(Infinity, () => undefined); // It may wait for other members alone.
    this.#look();
    await arrived.finally(letGo);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** Hands its handler an event once more: a dead letter is tried again. */
  again(envelope: Envelope): void {
    this.#work.again(envelope);
  }

  /** The dead letter about an event was closed or discarded: its key waits no longer. */
  letterSettled(position: number): void {
    this.#work.settle(position);
    if (this.#status !== 'paused' || !this.#work.wasStuckOf(this.#error) || this.#work.isStuck) return;
    this.#become('running', undefined);
    this.#work.pump();
    this.#reader.ease();
  }

  get #isOver(): boolean {
    return this.#status === 'stopped' || this.#status === 'failed';
  }

  async #start(): Promise<void> {
    try {
      await this.#seats.join();
      const { position } = await this.#seats.ask(() => this.#port.store.head());
      this.#head = Math.max(this.#head, position);
      if (this.#status !== 'starting') return;
      this.#become(this.#wanted, undefined);
      void this.#reader.run().catch((error: unknown) => this.#fail(error));
    } catch (error) {
      this.#fail(error);
      throw error;
    }
  }

  async #stop(): Promise<void> {
    if (this.#isOver) return;
    this.#become('stopping', undefined);
    this.#reader.end();
    const { clock, closeTimeoutMs } = this.#port;
    try {
      if (!(await endsWithin(clock, closeTimeoutMs, this.#endAll()))) await this.#cutShort();
    } finally {
      this.#close('stopped');
    }
  }

  async #endAll(): Promise<void> {
    await this.started.catch(() => undefined); // Whoever awaits it is told.
    await this.#work.end(...this.#work.partitions.values());
    await this.#seats.leave();
  }

  // Whoever still runs is told, and what he does is not waited for; what was done until now is written down.
  async #cutShort(): Promise<void> {
    const reason = new TelltaleError('ABORTED', `consumer \`${this.name}\` has stopped waiting for its handlers`);
    for (const partition of this.#work.partitions.values()) partition.abort(reason);
    const { clock, closeTimeoutMs } = this.#port;
    try {
      if (!(await endsWithin(clock, closeTimeoutMs, this.#seats.leave()))) throw lateError(this.name, closeTimeoutMs);
    } finally {
      this.#seats.abandon();
    }
  }

  #fail(error: unknown): void {
    if (this.#isOver || this.#status === 'stopping') return;
    this.#error = error;
    this.#reader.end();
    for (const index of this.#work.partitions.keys()) this.#work.lose(index, toError(error));
    this.#seats.abandon();
    this.#close('failed');
  }

  #stuck(error: unknown): void {
    if (this.#status === 'running') this.#become('paused', error);
    // Another may have its partition: the document says so.
    if (isTelltaleError(error, 'LEASE_LOST')) void this.#seats.look();
  }

  #lost(index: number): void {
    this.#work.lose(index, lostError(this.name, index));
    // It had paused because of it, and whoever has it now goes on.
    if (this.#status === 'paused' && isTelltaleError(this.#error, 'LEASE_LOST')) this.resume();
  }

  #close(status: 'stopped' | 'failed'): void {
    this.#work.drop();
    this.#claims.drop();
    this.#leaveFeed();
    this.#become(status, this.#error);
  }

  #become(status: ConsumerStatus, error: unknown): void {
    this.#status = status;
    this.#error = error;
    this.#port.changed();
    this.#ease();
  }

  #ease(): void {
    this.#look();
    this.#port.eased();
  }

  #look(): void {
    // How far a target has come that has not answered yet, nobody knows.
    const position = this.#claims.open > 0 ? 0 : this.position;
    this.#arrivals.look(position, this.#isOver, stuckError(this.name, this.#status, this.#error));
  }

  #createSeats(): Seats {
    const { name, from } = this.terms;
    const { store, clock, unavailable } = this.#port;
    const start = async (): Promise<number> => {
      const { after, storedFrom = 0 } = await this.#seats.ask(() => startOf(this.#port, from, 'from'));
      this.#storedFrom = storedFrom;
      return after;
    };
    const port = {
      store,
      clock,
      unavailable,
      head: () => this.#head,
      positions: () => this.#work.positions,
      given: (index: number, seat: Seat) => this.#give(index, seat),
      lost: (index: number) => this.#lost(index),
      wanted: (index: number) => void this.#giveUp(index),
      turned: () => {
        this.#work.pump();
        this.#reader.ease();
      },
      failed: (error: unknown) => this.#fail(error),
    };
    return new Seats(port, { name, ledger: ledgerTermsOf(this.terms), start });
  }

  #createRewinds(): Rewinds {
    const mustRun = (): void => {
      if (!this.isListening) throw overError(this.name, this.#status, this.#error);
    };
    const parts = { seats: this.#seats, work: this.#work, claims: this.#claims };
    const give = (index: number, seat: Seat): void => this.#give(index, seat);
    return new Rewinds({ ...parts, mustRun, give, failed: (error) => this.#fail(error) }, this.terms);
  }

  #createWork(): Work {
    const { clock, turn, context } = this.#port;
    const port = {
      clock,
      turn,
      context,
      envelopeOf: (event: StoredEvent) => this.#port.envelopeOf(event),
      mayStart: () => this.#status === 'running' && this.#seats.isSure,
      keyOf: (index: number) => keyOf(this.terms, index),
      moved: () => this.#moved(),
      failed: this.#port.failed.bind(this.#port),
      gaveUp: this.#port.gaveUp.bind(this.#port),
      heldBack: this.#port.heldBack.bind(this.#port),
      stuck: (error: unknown) => this.#stuck(error),
      eased: () => {
        if (this.#work.isEasy) this.#reader.ease();
        this.#port.eased();
      },
    };
    return new Work(port, this.terms);
  }

  #createReader(): Reader {
    const { pattern, where } = this.terms;
    const { store, clock, unavailable } = this.#port;
    const conditions = [{ type: pattern }, ...(where ? [where] : [])];
    return new Reader({
      store,
      clock,
      unavailable,
      where: { $and: conditions },
      start: () => this.#work.start,
      hasRoom: (event) => this.#work.hasRoom(event),
      take: (event) => this.#take(event),
      looked: (position) => {
        this.#head = Math.max(this.#head, position);
        this.#work.looked(position);
      },
      rested: () => this.#ease(),
    });
  }

  #take(event: StoredEvent): boolean {
    this.#lastAt = event.storedAt;
    return event.storedAt < this.#storedFrom || this.#work.take(event);
  }

  #moved(): void {
    this.#seats.moved();
    if (this.#arrivals.size > 0) this.#ease();
  }

  #begin(index: number, epoch: number, after: number): void {
    if (!this.#isOver && this.#seats.has(index, epoch)) {
      this.#work.give(new Partition({ recipient: recipientOf(this.name), index, epoch, after }));
      this.#reader.restart();
    }
    this.#ease();
  }

  #give(index: number, seat: Seat): void {
    const given = (after: number): void => this.#begin(index, seat.epoch, after);
    this.#claims.claim(index, seat, given, (error) => this.#fail(error));
  }

  async #giveUp(index: number): Promise<void> {
    const partition = this.#work.partitions.get(index);
    if (!partition?.isHeld) return;
    await this.#work.end(partition);
    if (this.#work.partitions.get(index) === partition) await this.#seats.release(index);
  }

  #mustNotBeInside(verb: string): void {
    const id = currentCause()?.handling;
    if (id === undefined || !this.#work.isHandling(id)) return;
    throw insideError(this.name, verb);
  }
}
