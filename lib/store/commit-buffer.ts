import type { StoredEvent } from '../event/event.ts';
import { onAbort } from '../on-abort.ts';

/**
 * What has been committed since `join`, for one reader. Capacity: when one more commit would make it more than `max`
 * events, all of it is forgotten, and so is what follows, until somebody joins again: the log has it all.
 */
export class CommitBuffer {
  readonly #max: number;
  #commits: (readonly StoredEvent[])[] = [];
  #events = 0;
  #status: 'whole' | 'forgotten' = 'forgotten';
  #arrived: (() => void) | undefined;

  constructor(max: number) {
    this.#max = max;
  }

  /** Nothing that was committed since `join` is missing. */
  get isWhole(): boolean {
    return this.#status === 'whole';
  }

  /** Events waiting to be taken. */
  get length(): number {
    return this.#events;
  }

  join(): void {
    this.#empty();
    this.#status = 'whole';
  }

  push(events: readonly StoredEvent[]): void {
    if (!this.isWhole) return;
    if (this.#events > 0 && this.#events + events.length > this.#max) this.forget();
    else {
      this.#commits.push(events);
      this.#events += events.length;
    }
    this.#arrived?.();
  }

  take(): readonly StoredEvent[] {
    const commits = this.#commits;
    this.#empty();
    return commits.length === 1 ? commits[0]! : commits.flat();
  }

  forget(): void {
    this.#empty();
    this.#status = 'forgotten';
  }

  /** Resolves with the next commit, or when the signal is aborted. */
  arrival(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        this.#arrived = undefined;
        forget();
        resolve();
      };
      if (signal.aborted) return resolve();
      this.#arrived = end;
      const forget = onAbort(signal, end);
    });
  }

  #empty(): void {
    this.#commits = [];
    this.#events = 0;
  }
}
