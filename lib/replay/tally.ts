import { describeError } from '../event/describe-error.ts';
import type { StoredEvent } from '../event/event.ts';
import type { Desk } from './recipient.ts';

/** One event that could not be told. */
export interface ReplayFailure {
  readonly position: number;
  readonly id: string;
  readonly type: string;
  /** 0 where no handler was reached. */
  readonly attempts: number;
  readonly error: { readonly name: string; readonly message: string; readonly code?: string };
}

/** How many failures are listed; the rest is counted. */
const LISTED = 1_000;

/** Counts what became of the events. */
export class Tally implements Desk {
  /** Why the recipient takes nothing any more. */
  stopped: { readonly error: unknown } | undefined;
  readonly #stop: () => void;
  readonly #failures: ReplayFailure[] = [];
  #delivered = 0;
  #failed = 0;
  #skipped = 0;

  constructor(stop: () => void) {
    this.#stop = stop;
  }

  delivered(): void {
    this.#delivered++;
  }

  failed({ position, id, type }: StoredEvent, thrown: unknown, attempts: number): void {
    this.#failed++;
    if (this.#failures.length >= LISTED) return;
    const { name, message, code } = describeError(thrown);
    const error = { name, message, ...(code !== undefined && { code }) };
    this.#failures.push({ position, id, type, attempts, error });
  }

  skipped(): void {
    this.#skipped++;
  }

  stop(error: unknown): void {
    this.stopped ??= { error };
    this.#stop();
  }

  figures() {
    const [delivered, failed, skipped] = [this.#delivered, this.#failed, this.#skipped];
    return { delivered, failed, skipped, failures: [...this.#failures] };
  }
}
