import { DueQueue, type Due } from '../store/due-queue.ts';

interface Row {
  /** The highest number given so far. */
  last: number;
  live: number;
  free: DueQueue<Due> | undefined;
}

/**
 * Numbers from 1 that tell those apart who share a name: always the lowest that is free, so that a program which
 * subscribes in the same order gets the same ones after a restart.
 */
export class Places {
  readonly #rows = new Map<string, Row>();

  take(name: string): number {
    const row = this.#rows.get(name);
    if (!row) {
      this.#rows.set(name, { last: 1, live: 1, free: undefined });
      return 1;
    }
    row.live++;
    return row.free?.pop()?.at ?? ++row.last;
  }

  leave(name: string, place: number): void {
    const row = this.#rows.get(name);
    if (!row) return;
    if (--row.live === 0) this.#rows.delete(name);
    else (row.free ??= new DueQueue()).push({ at: place, position: 0 });
  }
}
