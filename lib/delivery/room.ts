import type { Surroundings } from './held.ts';
import { inWords, MAX_BEYOND } from './held.ts';
import type { Lanes } from './lanes.ts';
import type { Partition } from './partition.ts';

/** So many events wait in memory for their lane. */
const MAX_QUEUED = 1_000;
const MAX_QUEUED_BYTES = 16 * 1024 * 1024;

/** What there is to look at: lanes that are full, partitions that are behind. */
export interface RoomPort {
  readonly lanes: Pick<Lanes, 'queued' | 'queuedBytes' | 'isAtRest'>;
  readonly partitions: ReadonlyMap<number, Partition>;
}

/** How far a consumer reads on: what has room in memory, and not too far beyond what is not done. */
export class Room {
  readonly #port: RoomPort;
  /** The next event waits for room in memory. */
  #isFull = false;
  /** Where the event is that was asked for last. */
  #next = 0;
  /** No partition that has something to do is behind it, so that an event need not look at all 64. */
  #floor = 0;

  constructor(port: RoomPort) {
    this.#port = port;
  }

  /** How far the partition has come that is behind the others and has something to do. */
  get lowest(): number {
    let lowest = Infinity;
    for (const { progress } of this.#port.partitions.values())
      if (progress.oldest !== undefined) lowest = Math.min(lowest, progress.position);
    return lowest;
  }

  get surroundings(): Surroundings {
    const { queued, isAtRest } = this.#port.lanes;
    return { lowest: this.lowest, next: this.#next, isFull: this.#isFull, queued, isAtRest };
  }

  /** What holds up the rest, where that is an event far below. */
  get hindrance(): string | undefined {
    const { lowest } = this;
    if (this.#next - lowest <= MAX_BEYOND) return undefined;
    return `waits for the event at position ${lowest + 1}: it works at most ${inWords(MAX_BEYOND)} positions beyond`;
  }

  /** Is there room again for so many events that it is worth reading on? */
  get isEasy(): boolean {
    const { queued, queuedBytes, isAtRest } = this.#port.lanes;
    if (!this.#isFull || isAtRest) return true;
    return queued <= MAX_QUEUED / 2 && queuedBytes <= MAX_QUEUED_BYTES / 2;
  }

  /** A partition was given that has come so far. */
  reaches(position: number): void {
    this.#floor = Math.min(this.#floor, position);
  }

  /** The event at this position is next. */
  asks(position: number): void {
    this.#isFull = false;
    this.#next = position;
  }

  /** Is there room for the next event? */
  look(): boolean {
    const { queued, queuedBytes } = this.#port.lanes;
    this.#isFull = queued >= MAX_QUEUED || queuedBytes >= MAX_QUEUED_BYTES;
    return !this.#isFull && !this.#isFar(this.#next);
  }

  #isFar(position: number): boolean {
    if (position - this.#floor <= MAX_BEYOND) return false;
    const { lowest } = this;
    // What is taken from here on lies at `position` or behind it.
    this.#floor = Math.min(lowest, position - 1);
    return position - lowest > MAX_BEYOND;
  }
}
