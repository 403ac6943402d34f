import type { Clock } from '../clock.ts';
import { isTelltaleError } from '../errors.ts';
import type { StoredEvent } from '../event/event.ts';
import { compileFilter, type EventTest } from '../filter/compile.ts';
import { hintsOf } from '../filter/hints.ts';
import type { Filter } from '../filter/language.ts';
import { CommitBuffer } from './commit-buffer.ts';
import type { PageHints, Store } from './port.ts';
import { Slice } from './slice.ts';
import { retryRead, type RetryReadOptions } from './read/retry-read.ts';

export interface FollowOptions {
  /** Exclusive: begins behind this position, 0 for the whole log. May lie ahead of the log. */
  readonly after: number;
  /** Only events that satisfy this, as they are stored. */
  readonly where?: Filter | undefined;
  /** Ends the following: nothing more comes, without an error. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
  /** Events asked of the log at once. @default 500 */
  readonly pageEvents?: number;
  /** How many committed events are kept for a reader who is busy. @default 1,000 */
  readonly bufferEvents?: number;
  /** Told of every read that failed and is tried again. */
  readonly unavailable?: RetryReadOptions['unavailable'];
  /** Called whenever everything committed so far has been handed out, and the next commit is waited for. */
  readonly rested?: () => void;
}

/** What one look has brought. */
export interface Followed {
  /** In position order; may be none. */
  readonly events: readonly StoredEvent[];
  /** Everything up to this position has been looked at: it is in `events`, came before, or was not asked for. */
  readonly looked: number;
}

/** Can be gone over once. */
export interface Follower {
  /** Everything committed so far has been handed out. */
  readonly isResting: boolean;
  [Symbol.asyncIterator](): AsyncGenerator<Followed, void, undefined>;
}

const PAGE_EVENTS = 500;
const BUFFER_EVENTS = 1_000;

/**
 * Follows the log from a position: what is stored already, then each commit as it happens, as one sequence in position
 * order without gap or repetition. It is pulled: nothing is read before it is asked for, and a slow reader makes it
 * slow.
 *
 * ```
 *            ┌── a page, the head lies beyond ──┐
 *            ▼                                  │
 *   ──▶  reading  ──────────────────────────────┘
 *          │   ▲
 *          │   └── more was committed than the buffer keeps ──┐
 *          ▼                                                  │
 *   the buffer is whole and all up to the head is read ──▶  live ──▶ a batch for each time it is asked
 * ```
 *
 * Why nothing is missed: the buffer joins the commit feed *before* the head is looked up. What was committed by then
 * is in the log up to that head; what is committed later is in the buffer. Why nothing comes twice: whatever lies at
 * or below `looked` is left out. A buffer that overflowed is joined anew before the next look at the head.
 *
 * Capacity: one page and one buffer, whatever happens. What retention has removed meanwhile is not there; what it
 * removes from under the buffer may still come.
 * Failure: `STORE_UNAVAILABLE` is tried again with backoff for as long as it takes; any other error ends the following
 * and is thrown to the reader. Commits that the store could not hand out come with its next one.
 * Closing: ends without an error when the signal is aborted, as soon as the read under way has ended, or when the store
 * is closed. What is in the reader's hands then is complete up to `looked`.
 */
export function follow(store: Pick<Store, 'page' | 'head' | 'onCommit'>, options: FollowOptions): Follower {
  return new LogFollower(store, options);
}

class LogFollower implements Follower {
  readonly #store: Pick<Store, 'page' | 'head' | 'onCommit'>;
  readonly #options: FollowOptions;
  readonly #condition: PageHints;
  readonly #test: EventTest | undefined;
  readonly #buffer: CommitBuffer;
  readonly #batches: AsyncGenerator<Followed, void, undefined>;
  #looked: number;
  #status: 'reading' | 'live' | 'resting' | 'ended' = 'reading';

  constructor(store: Pick<Store, 'page' | 'head' | 'onCommit'>, options: FollowOptions) {
    const { after, where, bufferEvents = BUFFER_EVENTS } = options;
    this.#store = store;
    this.#options = options;
    this.#condition = where === undefined ? {} : { ...hintsOf(where), where };
    this.#test = where && compileFilter(where);
    this.#buffer = new CommitBuffer(bufferEvents);
    this.#looked = after;
    this.#batches = this.#run();
  }

  get isResting(): boolean {
    return (
      this.#status === 'ended' || (this.#status === 'resting' && this.#buffer.isWhole && this.#buffer.length === 0)
    );
  }

  [Symbol.asyncIterator](): AsyncGenerator<Followed, void, undefined> {
    return this.#batches;
  }

  async *#run(): AsyncGenerator<Followed, void, undefined> {
    const { signal, rested } = this.#options;
    const leave = this.#store.onCommit((events) => this.#buffer.push(events));
    const slice = new Slice();
    try {
      while (!signal.aborted) {
        const batch = this.#status === 'live' ? await this.#receive() : await this.#read();
        if (batch && !signal.aborted) yield batch;
        // A store in memory answers without ever waiting.
        if (slice.isOver) await slice.rest();
      }
    } catch (error) {
      if (!signal.aborted && !isTelltaleError(error, 'STORE_CLOSED')) throw error;
    } finally {
      leave();
      this.#buffer.forget();
      this.#status = 'ended';
      rested?.();
    }
  }

  async #read(): Promise<Followed | undefined> {
    if (!this.#buffer.isWhole) this.#buffer.join();
    const { pageEvents: limit = PAGE_EVENTS } = this.#options;
    const { position: through } = await retryRead(() => this.#store.head(), this.#options);
    const after = this.#looked;
    if (through <= after) return this.#goLive();
    const query = { ...this.#condition, after, through, descending: false, limit };
    const page = await retryRead(() => this.#store.page(query), this.#options);
    this.#looked = page.done ? through : page.looked;
    if (page.done) this.#goLive();
    return { events: page.events, looked: this.#looked };
  }

  #goLive(): undefined {
    if (this.#buffer.isWhole) this.#status = 'live';
  }

  async #receive(): Promise<Followed | undefined> {
    if (!this.#buffer.isWhole) {
      this.#status = 'reading';
      return undefined;
    }
    if (this.#buffer.length === 0) {
      this.#status = 'resting';
      this.#options.rested?.();
      await this.#buffer.arrival(this.#options.signal);
      this.#status = 'live';
      return undefined;
    }
    const events = this.#buffer.take().filter(({ position }) => position > this.#looked);
    if (events.length === 0) return undefined;
    this.#looked = events.at(-1)!.position;
    return { events: this.#test === undefined ? events : events.filter(this.#test), looked: this.#looked };
  }
}
