import type { Run } from './lanes.ts';

/** So far beyond the checkpoint a consumer works while an event below is not done. */
export const MAX_BEYOND = 10_000;
/** So many keys may wait behind a failed event. */
const MAX_WAITING_KEYS = 1_000;

/** What a consumer does beside what it holds. */
export interface Surroundings {
  /** How far the partition has come that is behind the others. */
  readonly lowest: number;
  /** Where the event is that was asked for last. */
  readonly next: number;
  readonly isFull: boolean;
  readonly queued: number;
  readonly isAtRest: boolean;
}

/** What has failed and holds its lane, oldest first, and which of it has a letter. */
export class Held {
  readonly #runs = new Set<Run>();
  /** Held or tried again, by the position of the event that the letter is about. */
  readonly #lettered = new Map<number, Run>();

  get size(): number {
    return this.#runs.size;
  }

  /** Events, not runs. */
  get events(): number {
    return [...this.#runs].reduce((sum, { items }) => sum + items.length, 0);
  }

  [Symbol.iterator](): Iterator<Run> {
    return this.#runs.values();
  }

  add(run: Run): void {
    this.#runs.add(run);
  }

  /** It is tried again. False where it was not held. */
  take(run: Run): boolean {
    return this.#runs.delete(run);
  }

  takeAll(): readonly Run[] {
    const all = [...this.#runs];
    this.#runs.clear();
    return all;
  }

  /** It is done with, or given back. */
  forget(run: Run): void {
    this.#runs.delete(run);
    for (const { position } of run.items) this.#lettered.delete(position);
  }

  /** It has a letter from now on; false where it has one already. */
  letter(run: Run): boolean {
    if (run.letter) return false;
    run.letter = 'open';
    for (const { position } of run.items) this.#lettered.set(position, run);
    return true;
  }

  /** The letter about the event at this position is settled; answers the run that this frees. */
  settle(position: number): Run | undefined {
    const run = this.#lettered.get(position);
    if (!run) return undefined;
    run.letter = 'settled';
    return this.#runs.delete(run) ? run : undefined;
  }

  find(position: number): Run | undefined {
    for (const run of this.#runs) if (run.items.some((item) => item.position === position)) return run;
    return undefined;
  }

  /** Why a consumer cannot go on by itself. Not where anything goes on that may make room. */
  whyStuck({ lowest, next, isFull, queued, isAtRest }: Surroundings): string | undefined {
    if (this.size === 0) return undefined;
    if (this.size >= MAX_WAITING_KEYS) return this.text;
    if (next - lowest > MAX_BEYOND && this.find(lowest + 1))
      return `it has come ${inWords(MAX_BEYOND)} positions beyond the first event that failed, and ${this.text}`;
    if (!isFull || !isAtRest) return undefined;
    return `all ${inWords(queued)} events that there is room for wait, and ${this.text}`;
  }

  get text(): string {
    let first = Infinity;
    for (const { items } of this.#runs) first = Math.min(first, items[0]!.position);
    if (this.size === 1) return `1 key waits behind the event at position ${first}, which failed`;
    return `${inWords(this.size)} keys wait behind events that failed, the first at position ${first}`;
  }
}

export const inWords = (count: number): string => count.toLocaleString('en');
