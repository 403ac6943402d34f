import { isTelltaleError, type TelltaleError } from '../errors.ts';
import { contentHash } from '../event/content-hash.ts';
import type { Envelope } from '../event/envelope.ts';
import type { StoredEvent } from '../event/event.ts';
import type { DueQueue } from '../store/due-queue.ts';
import { openSchedules, type ClosedSchedule, type OpenSchedule, type OpenSchedules } from '../store/open-schedules.ts';
import type { Store } from '../store/port.ts';
import type { Ledger } from './ledger.ts';

export interface StoredPort {
  readonly store: Store;
  /** Stores what says that the event of this envelope is to be emitted. */
  storeSet(key: string, at: number, envelope: Envelope): Promise<StoredEvent>;
  /** The event that a `$schedule.set` says, as it is emitted now. */
  eventOf(set: StoredEvent): Envelope;
  /** Stores `$schedule.closed`, and the event with it where there is one, if the key is still at `revision`. */
  storeClosed(
    closed: ClosedSchedule,
    revision: number,
    event: Envelope | undefined,
  ): Promise<{ readonly duplicate: boolean }>;
  /** The store does not take the event, now or later. */
  refused(schedule: OpenSchedule, error: TelltaleError): void;
}

/** More than are under way at once. */
const LATEST = 1_024;

/** What the store says of one event, not of its own state. */
const REFUSALS = ['EVENT_CONFLICT', 'PAYLOAD_TOO_LARGE', 'PAYLOAD_TOO_DEEP'] as const;

/**
 * Schedules in the log: `$schedule.set` opens one, `$schedule.closed` ends it. The schedules of one key are one stream,
 * and whoever ends or replaces one expects its revision: of several who try, processes too, one succeeds. The event is
 * stored together with `$schedule.closed`, or not at all, so it is emitted once wherever a crash comes.
 */
export class StoredSchedules implements Ledger<OpenSchedule> {
  readonly #port: StoredPort;
  readonly #open: OpenSchedules;
  /** Somebody else has emitted the same event: there is nothing more to store. */
  readonly #stored = new WeakSet<Envelope>();
  /** Emitted by id: what is read while one of these is under way may be the same event. */
  readonly #latest = new Map<string, { readonly hash: string; readonly stored: Promise<boolean> }>();

  constructor(port: StoredPort) {
    this.#port = port;
    this.#open = openSchedules(port.store);
  }

  get due(): DueQueue<OpenSchedule> {
    return this.#open.due;
  }

  get size(): number {
    return this.#open.size;
  }

  get(key: string): OpenSchedule | undefined {
    return this.#open.get(key);
  }

  isOpen(item: OpenSchedule): boolean {
    return this.#open.isOpen(item);
  }

  all(): readonly OpenSchedule[] {
    return this.#open.all();
  }

  catchUp(): Promise<void> {
    return this.#open.catchUp();
  }

  async set(key: string, at: number, envelope: Envelope): Promise<OpenSchedule> {
    // Noted at once: a log in memory may have dropped it before anybody looks.
    return this.#open.note(await this.#port.storeSet(key, at, envelope));
  }

  async eventOf({ position, event }: OpenSchedule): Promise<Envelope | undefined> {
    const range = { after: position - 1, through: position, descending: false, limit: 1 };
    const set = event ?? (await this.#port.store.page(range)).events[0];
    if (!set) return undefined;
    const envelope = this.#port.eventOf(set);
    const known = (await this.#port.store.find([envelope.event.id])).get(envelope.event.id);
    if (known?.hash === contentHash(envelope.event)) this.#stored.add(envelope);
    return envelope;
  }

  async emit(item: OpenSchedule, envelope: Envelope): Promise<void> {
    const { event } = envelope;
    const hash = contentHash(event);
    const same = this.#latest.get(event.id);
    if (same?.hash === hash && (await same.stored)) this.#stored.add(envelope);
    const emission = this.#emit(item, envelope);
    // The scheduler is told below.
    const stored = emission.catch(() => false);
    this.#latest.set(event.id, { hash, stored });
    if (this.#latest.size > LATEST) this.#latest.delete(this.#latest.keys().next().value!);
    await emission;
  }

  /** Is its event stored? */
  async #emit(item: OpenSchedule, envelope: Envelope): Promise<boolean> {
    const isStored = this.#stored.has(envelope);
    try {
      await this.#close(item, 'emitted', isStored ? undefined : envelope);
      return true;
    } catch (error) {
      if (isTelltaleError(error, 'EXPECTATION_FAILED')) return isStored;
      if (!REFUSALS.some((code) => isTelltaleError(error, code))) throw error;
      this.#port.refused(item, error as TelltaleError);
      await this.#close(item, 'refused');
      return false;
    }
  }

  async cancel(item: OpenSchedule): Promise<boolean> {
    try {
      return !(await this.#close(item, 'cancelled')).duplicate;
    } catch (error) {
      if (isTelltaleError(error, 'EXPECTATION_FAILED')) return false;
      throw error;
    }
  }

  #close(item: OpenSchedule, as: ClosedSchedule['as'], envelope?: Envelope): Promise<{ readonly duplicate: boolean }> {
    const { key, position: set, revision, id: eventId } = item;
    return this.#port.storeClosed({ key, set, as, eventId }, revision, envelope);
  }
}
