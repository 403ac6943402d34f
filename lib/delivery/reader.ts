import type { Clock } from '../clock.ts';
import type { StoredEvent } from '../event/event.ts';
import type { Filter } from '../filter/language.ts';
import { follow, type Follower } from '../store/follow.ts';
import type { Store } from '../store/port.ts';
import type { RetryReadOptions } from '../store/read/retry-read.ts';
import { Slice } from '../store/slice.ts';

export interface ReaderPort {
  readonly store: Store;
  readonly clock: Clock;
  readonly where: Filter;
  readonly unavailable: RetryReadOptions['unavailable'];
  /** The lowest position behind which something is still to be read; undefined where nothing is. */
  start(): number | undefined;
  hasRoom(event: StoredEvent): boolean;
  /** False where it has to be offered once more. */
  take(event: StoredEvent): boolean;
  /** Everything up to this position was taken, or was not asked for. */
  looked(position: number): void;
  /** All that was committed has been handed out. */
  rested(): void;
}

/**
 * Reads the log for one consumer. Ordering: position order. Capacity: one page; the next event waits in the log until
 * there is room. Begins anew with `restart`, where a partition comes that has not come so far. Closing: `end`; the
 * reading ends between two events. Failure: `run` rejects with what the log cannot be read for.
 */
export class Reader {
  readonly #port: ReaderPort;
  readonly #ending = new AbortController();
  #reading = new AbortController();
  #follower: Follower | undefined;
  #wake: (() => void) | undefined;
  #status: 'idle' | 'handing' | 'waiting' = 'idle';

  constructor(port: ReaderPort) {
    this.#port = port;
  }

  /** Is anything stored that was not handed over yet, as far as is known? */
  get isBehind(): boolean {
    if (this.#ending.signal.aborted) return false;
    if (this.#reading.signal.aborted || this.#status === 'handing') return true;
    return this.#status === 'waiting' && this.#follower?.isResting !== true;
  }

  async run(): Promise<void> {
    const { signal } = this.#ending;
    while (!signal.aborted) {
      this.#reading = new AbortController();
      const after = this.#port.start();
      this.#status = after === undefined ? 'idle' : 'waiting';
      if (after === undefined) await this.#woken();
      else await this.#read(after, this.#reading.signal);
    }
  }

  /** There may be room, or something to read. */
  ease(): void {
    this.#wake?.();
  }

  restart(): void {
    this.#reading.abort();
    this.ease();
  }

  end(): void {
    this.#ending.abort();
    this.restart();
  }

  async #read(after: number, signal: AbortSignal): Promise<void> {
    const { store, clock, where, unavailable } = this.#port;
    const slice = new Slice();
    const rested = (): void => this.#port.rested();
    this.#follower = follow(store, { after, where, clock, signal, unavailable, rested });
    try {
      for await (const { events, looked } of this.#follower) {
        this.#status = 'handing';
        for (const event of events) {
          while (!signal.aborted && !(this.#port.hasRoom(event) && this.#port.take(event))) await this.#woken();
          if (signal.aborted) return;
          if (slice.isOver) await slice.rest();
        }
        if (signal.aborted) return;
        this.#port.looked(looked);
        this.#status = 'waiting';
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    // The store was closed under it: nothing comes any more.
    if (!signal.aborted) this.#ending.abort();
  }

  #woken(): Promise<void> {
    return new Promise((resolve) => (this.#wake = resolve));
  }
}
