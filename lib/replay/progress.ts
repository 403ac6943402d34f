import type { Observable } from 'rxjs';
import type { Clock } from '../clock.ts';
import { isolatedObservable, type StreamFailure } from '../rx/isolated-observable.ts';

/** How far a replay is. */
export interface ReplayProgress {
  readonly state: 'running' | 'paused' | 'ended';
  /** Events gone through, also those the selection leaves out; in time order those that were told. */
  readonly done: number;
  /** Events of the window; in time order those that are selected. */
  readonly total: number;
  /** Of the event told last; 0 before the first. */
  readonly position: number;
  /** Events gone through per second, pauses left out. */
  readonly rate: number;
  /** At this rate; undefined while there is none. */
  readonly remainingMs: number | undefined;
}

/** News are told at most this often, changes of state at once. */
const EVERY_MS = 100;

/** The progress of one replay, for any number of observers, who each begin with the newest. */
export class ProgressFeed {
  readonly #clock: Clock;
  readonly #look: () => ReplayProgress;
  readonly #failed: StreamFailure;
  readonly #listeners = new Set<{ next(progress: ReplayProgress): void; complete(): void }>();
  #observable: Observable<ReplayProgress> | undefined;
  #toldMs = -Infinity;
  #cancelNews: (() => void) | undefined;

  constructor(clock: Clock, look: () => ReplayProgress, failed: StreamFailure) {
    this.#clock = clock;
    this.#look = look;
    this.#failed = failed;
  }

  get observable(): Observable<ReplayProgress> {
    return (this.#observable ??= isolatedObservable<ReplayProgress>(this.#failed, (subscriber) => {
      const now = this.#look();
      subscriber.next(now);
      if (now.state === 'ended') return subscriber.complete();
      this.#listeners.add(subscriber);
      return () => void this.#listeners.delete(subscriber);
    }));
  }

  /** Something has moved. */
  moved(): void {
    if (this.#listeners.size === 0 || this.#cancelNews !== undefined) return;
    const waitMs = this.#toldMs + EVERY_MS - this.#clock.monotonic();
    if (waitMs <= 0) this.changed();
    // So that the newest is told also where nothing moves for long.
    else this.#cancelNews = this.#clock.after(waitMs, () => this.changed());
  }

  /** The state is another. */
  changed(): void {
    this.#cancelNews?.();
    this.#cancelNews = undefined;
    if (this.#listeners.size === 0) return;
    this.#toldMs = this.#clock.monotonic();
    const now = this.#look();
    for (const listener of this.#listeners) {
      listener.next(now);
      if (now.state === 'ended') listener.complete();
    }
  }
}
