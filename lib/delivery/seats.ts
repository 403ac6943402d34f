import { randomUUID } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { isTelltaleError, TelltaleError } from '../errors.ts';
import { Serial } from '../serial.ts';
import type { Store } from '../store/port.ts';
import { CHECKPOINTS } from '../store/read/resolve-place.ts';
import { retryRead, type RetryReadOptions } from '../store/read/retry-read.ts';
import { documentName, isServed, onServed } from '../store/served-documents.ts';
import {
  afterTurn,
  differenceOf,
  excessOf,
  nextEpoch,
  readLedger,
  type Ledger,
  type LedgerTerms,
  type Seat,
} from './ledger.ts';

export interface SeatsPort {
  readonly store: Store;
  readonly clock: Clock;
  readonly unavailable: RetryReadOptions['unavailable'];
  /** The highest position known to be in the log. A checkpoint may lie beyond: behind a restored log. */
  head(): number;
  /** How far the partitions have come that are held. */
  positions(): ReadonlyMap<number, number>;
  given(index: number, seat: Seat): void;
  /** Another has it: nothing that is still done for it counts. */
  lost(index: number): void;
  /** Others have less: end what runs for it, then `release` it. */
  wanted(index: number): void;
  /** A turn was written: what others may have thought is known. */
  turned(): void;
  /** Nothing can be written any more. */
  failed(error: unknown): void;
}

export interface SeatsTerms {
  readonly name: string;
  readonly ledger: LedgerTerms;
  /** Where it begins without a checkpoint, exclusive; asked only then. */
  readonly start: () => Promise<number>;
}

/** A member whose figure stood still for so long, on the clock of the one who looks, is dead. */
export const MEMBER_TTL_MS = 9_000;
/** Checkpoints lie at least so far apart: a crash repeats at most what was done in between. */
export const CHECKPOINT_MS = 200;
/** A consumer that has nothing to do says so often that it lives. */
const IDLE_MS = 3_600_000;

/** Members of groups in this process, so that they need not wait for each other's figures. */
const companions = new WeakMap<Store, Map<string, Set<Seats>>>();

/**
 * One member's side of a consumer's document: holds its partitions, writes its checkpoints. Ordering: one turn at a
 * time, by compare-and-set; what changes while one is written goes into the next. Failure: a store that does not answer
 * is asked again; a conflict is looked at anew, and what has another holder by then is `lost`. Closing: `leave` writes
 * the last checkpoint and gives everything back.
 */
export class Seats {
  readonly id: string;
  readonly #port: SeatsPort;
  readonly #terms: SeatsTerms;
  readonly #document: string;
  readonly #ending = new AbortController();
  readonly #released = new Set<number>();
  /** What it has been given, by partition. */
  readonly #mine = new Map<number, number>();
  readonly #seen = new Map<string, { readonly figure: number; readonly since: number }>();
  #ledger: Ledger | undefined;
  #etag: string | null = null;
  readonly #turns = new Serial();
  /** A turn that has not begun. */
  #next: Promise<void> | undefined;
  #isDue = false;
  #cancelDue: (() => void) | undefined;
  #cancelBeat: (() => void) | undefined;
  #leaveServed: (() => void) | undefined;
  #renewed = 0;
  #start = 0;
  #status: 'joining' | 'member' | 'leaving' | 'left' = 'joining';
  #leaving: Promise<void> | undefined;

  constructor(port: SeatsPort, terms: SeatsTerms) {
    this.#port = port;
    this.#terms = terms;
    this.#document = documentName(CHECKPOINTS, terms.name);
    this.id = randomUUID();
  }

  get members(): readonly string[] {
    return Object.keys(this.#ledger?.members ?? {});
  }

  /** May it begin anything? Not where others may think that it is dead. */
  get isSure(): boolean {
    return !this.#needsFigure || this.#port.clock.monotonic() - this.#renewed < MEMBER_TTL_MS;
  }

  /** Is this partition still the one it was given? */
  has(index: number, epoch: number): boolean {
    return this.#mine.get(index) === epoch;
  }

  /** Throws `INVALID_OPTION` where others work under this name, and not as this one would. */
  async join(): Promise<void> {
    const companionsOf = this.#companions();
    companionsOf.add(this);
    try {
      await this.#read();
      if (this.#ledger === undefined) this.#start = await this.#terms.start();
      await this.#turns.run(() => this.#write());
      if (this.#ending.signal.aborted) return;
      this.#status = 'member';
      this.#beat();
      this.#leaveServed = onServed(this.#port.store, (name) => this.#served(name));
      this.#tellCompanions();
    } catch (error) {
      companionsOf.delete(this);
      throw error;
    }
  }

  /** Asks the store until it answers, or this member has ended. */
  ask<T>(step: () => Promise<T>): Promise<T> {
    const { clock, unavailable } = this.#port;
    return retryRead(step, { clock, signal: this.#ending.signal, unavailable });
  }

  /** Something was done: it is written soon, together with what else is done by then. */
  moved(): void {
    if (this.#isDue || this.#status !== 'member') return;
    this.#isDue = true;
    this.#cancelDue = this.#port.clock.wait(CHECKPOINT_MS, () => void this.look());
  }

  /** Gives a partition back once its work has ended. */
  release(index: number): Promise<void> {
    this.#released.add(index);
    return this.look();
  }

  /** A turn now: writes how far it has come, takes and gives what is due. Never rejects. */
  async look(): Promise<void> {
    if (this.#status !== 'member') return;
    this.#next ??= this.#turns
      .run(async () => {
        this.#next = undefined;
        this.#cancelDue?.();
        this.#isDue = false;
        if (this.#status === 'member') await this.#write();
      })
      .catch((error: unknown) => this.#fail(error));
    await this.#next;
  }

  /**
   * Every partition begins at `after`, whoever has it: all are given anew, later than `epoch`, with which `reset` keeps
   * out of the target whoever does not know of it yet.
   */
  async rewind(after: number, reset: (epoch: number) => Promise<void>): Promise<void> {
    await this.#turns.run(async () => {
      while (!(await this.#rewound(after, reset)));
      // Who leaves has a turn behind this one.
      if (this.#status === 'member') await this.#write();
    });
    this.#tellCompanions();
  }

  /** The last checkpoint; then it holds nothing. May be called again. Rejects where it could not be written. */
  leave(): Promise<void> {
    return (this.#leaving ??= this.#leaveInTurn());
  }

  async #leaveInTurn(): Promise<void> {
    if (this.#status === 'left') return;
    this.#stopTimers();
    const isMember = this.#status === 'member';
    this.#status = 'leaving';
    try {
      if (isMember) await this.#turns.run(() => this.#write());
    } finally {
      this.#leave();
    }
  }

  /** Leaves without a word: whatever is being tried ends. */
  abandon(): void {
    this.#ending.abort(new TelltaleError('ABORTED', `consumer \`${this.#terms.name}\` has stopped`));
    this.#leave();
  }

  #leave(): void {
    this.#status = 'left';
    this.#stopTimers();
    this.#companions().delete(this);
    this.#tellCompanions();
  }

  #fail(error: unknown): void {
    if (this.#status === 'left' || this.#ending.signal.aborted) return;
    this.#leave();
    this.#port.failed(error);
  }

  get #needsFigure(): boolean {
    return this.#terms.ledger.group && this.#hasStrangers;
  }

  /** Members may be elsewhere: in other processes on a shared store, in workers that reach this one through its bus. */
  get #hasStrangers(): boolean {
    const { store } = this.#port;
    return store.supports.shared || isServed(store, this.#document);
  }

  // A worker has come: what it wants is looked at now, and from now on it must see that this one lives.
  #served(name: string): void {
    if (name !== this.#document || !this.#terms.ledger.group) return;
    this.#cancelBeat?.();
    this.#beat();
    void this.look();
  }

  // Alive as long as its timer is: a figure that rises where others look at it, now and then a date elsewhere.
  #beat(): void {
    const everyMs = this.#needsFigure ? MEMBER_TTL_MS / 3 : IDLE_MS;
    this.#cancelBeat = this.#port.clock.after(everyMs, () => {
      void this.look();
      this.#beat();
    });
  }

  #stopTimers(): void {
    this.#leaveServed?.();
    this.#cancelBeat?.();
    this.#cancelDue?.();
    this.#isDue = false;
  }

  async #write(): Promise<void> {
    for (;;) {
      const released = new Set(this.#released);
      const next = this.#plan(released);
      const sentAt = this.#port.clock.monotonic();
      if (!(await this.#put(next))) continue;
      this.#renewed = sentAt;
      for (const index of released) this.#released.delete(index);
      if (this.#status === 'leaving' || this.#status === 'left') return;
      this.#settle(next);
      if (released.size > 0) this.#tellCompanions();
      return this.#port.turned();
    }
  }

  /** False where others have changed something meanwhile. */
  async #rewound(after: number, reset: (epoch: number) => Promise<void>): Promise<boolean> {
    await this.#read();
    const { name, ledger: terms } = this.#terms;
    const ledger = this.#ledger!;
    if (!terms.group && ledger.seats[0]?.member !== this.id) throw stolen(name);
    const at = this.#port.clock.now();
    const epoch = nextEpoch(Math.max(...ledger.seats.map((seat) => seat.epoch)), at);
    try {
      await reset(epoch);
    } catch (error) {
      if (isTelltaleError(error, 'LEASE_LOST')) return false;
      throw error;
    }
    const seats = ledger.seats.map(() => ({ position: after, epoch, member: terms.group ? null : this.id }));
    return this.#put({ ...ledger, seats, position: after, at });
  }

  // What was written and not heard of may be another holding of the same partition.
  #positions(ledger: Ledger | undefined): ReadonlyMap<number, number> {
    const all = [...this.#port.positions()];
    return new Map(all.filter(([index]) => ledger?.seats[index]?.epoch === this.#mine.get(index)));
  }

  #plan(released: ReadonlySet<number>): Ledger {
    const { name, ledger: terms } = this.#terms;
    const ledger = this.#ledger;
    const joining = this.#status === 'joining';
    if (ledger && joining) this.#mustAgree(name, ledger, terms);
    if (ledger && !joining && !terms.group && ledger.seats[0]?.member !== this.id) throw stolen(name);
    return afterTurn(ledger, {
      me: this.id,
      now: this.#port.clock.now(),
      terms,
      start: this.#start,
      isAlive: (member) => this.#isAlive(member),
      positions: this.#positions(ledger),
      released,
      leaving: this.#status === 'leaving',
      joining,
    });
  }

  #mustAgree(name: string, ledger: Ledger, terms: LedgerTerms): void {
    if (ledger.terms.checkpointIn && terms.checkpointIn && ledger.terms.group !== terms.group)
      throw otherwiseDivided(name, terms);
    const difference = differenceOf(ledger.terms, terms);
    if (difference === undefined || (!terms.group && !ledger.terms.group)) return;
    const others = Object.keys(ledger.members).filter((member) => this.#isAlive(member));
    if (others.length === 0) return;
    const text = `consumer \`${name}\` is at work with another \`${difference}\`: all of one name must have the same`;
    throw new TelltaleError('INVALID_OPTION', text, { details: { name, option: difference } });
  }

  // In one process everybody is known. Elsewhere a figure that stands still for too long is that of a dead member.
  #isAlive(member: string): boolean {
    for (const { id } of this.#companions()) if (id === member) return true;
    if (!this.#hasStrangers) return false;
    const figure = this.#ledger?.members[member];
    if (figure === undefined) return false;
    const now = this.#port.clock.monotonic();
    const seen = this.#seen.get(member);
    if (seen?.figure !== figure) this.#seen.set(member, { figure, since: now });
    return now - this.#seen.get(member)!.since < MEMBER_TTL_MS;
  }

  // Tells what has changed hands, the losses first.
  #settle({ seats, members, terms }: Ledger): void {
    for (const [index, epoch] of this.#mine) {
      const seat = seats[index];
      if (seat?.member === this.id && seat.epoch === epoch) continue;
      this.#mine.delete(index);
      this.#port.lost(index);
    }
    for (const [index, seat] of seats.entries()) {
      if (seat.member !== this.id || this.#mine.has(index)) continue;
      this.#mine.set(index, seat.epoch);
      this.#port.given(index, seat);
    }
    for (const member of this.#seen.keys()) if (!(member in members)) this.#seen.delete(member);
    if (terms.group) for (const index of excessOf(this.#ledger!, this.id)) this.#port.wanted(index);
  }

  /** False where somebody else has written meanwhile; then `#ledger` is what he has written. */
  async #put(next: Ledger): Promise<boolean> {
    const { store } = this.#port;
    const { name } = this.#terms;
    const furthest = Math.max(...next.seats.map(({ position }) => position));
    const options = { etag: this.#etag, position: Math.min(furthest, this.#port.head()) };
    try {
      this.#etag = await this.ask(() => store.putDocument(CHECKPOINTS, name, next, options));
      this.#ledger = next;
      return true;
    } catch (error) {
      if (!isTelltaleError(error, 'DOCUMENT_CONFLICT')) throw error;
      await this.#read();
      return false;
    }
  }

  async #read(): Promise<void> {
    const { store } = this.#port;
    const document = await this.ask(() => store.document(CHECKPOINTS, this.#terms.name));
    this.#ledger = readLedger(document?.value);
    this.#etag = document?.etag ?? null;
    if (this.#ledger === undefined && this.#status !== 'joining') throw removed(this.#terms.name);
  }

  #companions(): Set<Seats> {
    let named = companions.get(this.#port.store);
    if (!named) companions.set(this.#port.store, (named = new Map<string, Set<Seats>>()));
    let all = named.get(this.#terms.name);
    if (!all) named.set(this.#terms.name, (all = new Set<Seats>()));
    return all;
  }

  #tellCompanions(): void {
    for (const one of this.#companions()) if (one !== this) void one.look();
  }
}

function stolen(name: string): TelltaleError {
  const text = `the checkpoint of consumer \`${name}\` was taken over by one that was started later; consumers of one name share its events only with \`group: true\``;
  return new TelltaleError('LEASE_LOST', text, { details: { name } });
}

// Under other keys the target knows nothing, and all would be counted once more.
function otherwiseDivided(name: string, { group }: LedgerTerms): TelltaleError {
  const text = `consumer \`${name}\` was ${group ? 'no group' : 'a group'}, and its target knows how far it has come only as that; take another name and an empty target, or delete what the target has of it and call \`bus.consumers.remove\``;
  return new TelltaleError('INVALID_OPTION', text, { details: { name, option: 'group' } });
}

function removed(name: string): TelltaleError {
  return new TelltaleError('LEASE_LOST', `consumer \`${name}\` was removed while it ran`, { details: { name } });
}
