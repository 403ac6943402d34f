import { Slice } from '../../lib/plugin.ts';
import type { PageQuery, StoreSize, StoredEvent } from '../../lib/plugin.ts';

const CHUNK = 4_096;

interface Chunk {
  readonly events: (StoredEvent | undefined)[];
  live: number;
  /** Bounds of the event times ever put in: a reader by time passes over whole chunks. */
  from: number;
  to: number;
  /** Where the events are, by rising time; made when it is asked for, gone with the next change. */
  byTime: Uint16Array | undefined;
  /** Of its events as JSON; unknown after a change. */
  bytes: number | undefined;
  changes: number;
}

type TimeBounds = NonNullable<PageQuery['time']>;

/** Records by position, in chunks: the log grows without copying and gives memory back as chunks become empty. */
export class EventLog {
  readonly #chunks: (Chunk | undefined)[] = [];
  #count = 0;

  get count(): number {
    return this.#count;
  }

  get(position: number): StoredEvent | undefined {
    return this.#chunks[Math.floor(position / CHUNK)]?.events[position % CHUNK];
  }

  set(event: StoredEvent): void {
    const { position, time } = event;
    const chunk = (this.#chunks[Math.floor(position / CHUNK)] ??= emptyChunk(time));
    const at = position % CHUNK;
    // A chunk's array has no holes: it is filled up where the log was entered in its middle.
    while (chunk.events.length < at) chunk.events.push(undefined);
    if (chunk.events[at] === undefined) {
      chunk.live++;
      this.#count++;
    }
    chunk.events[at] = event;
    touch(chunk);
    if (time < chunk.from) chunk.from = time;
    if (time > chunk.to) chunk.to = time;
  }

  delete(position: number): void {
    const index = Math.floor(position / CHUNK);
    const chunk = this.#chunks[index];
    if (chunk?.events[position % CHUNK] === undefined) return;
    chunk.events[position % CHUNK] = undefined;
    touch(chunk);
    this.#count--;
    if (--chunk.live === 0) this.#chunks[index] = undefined;
  }

  /** Events between the bounds, in the query's direction. */
  *scan(first: number, last: number, descending: boolean): Generator<StoredEvent> {
    const step = descending ? -1 : 1;
    for (const [chunk, from, to] of this.#chunksOf(first, last, descending)) {
      const end = descending ? from : to;
      for (let at = descending ? to : from; (end - at) * step >= 0; at += step) {
        const event = chunk.events[at];
        if (event !== undefined) yield event;
      }
    }
  }

  /** The first so many of them, at once. */
  page(first: number, last: number, descending: boolean, limit: number): StoredEvent[] {
    const found: StoredEvent[] = [];
    for (const [chunk, from, to] of this.#chunksOf(first, last, descending)) {
      const step = descending ? -1 : 1;
      const end = descending ? from - 1 : to + 1;
      for (let at = descending ? to : from; at !== end && found.length < limit; at += step) {
        const event = chunk.events[at];
        if (event !== undefined) found.push(event);
      }
      if (found.length === limit) break;
    }
    return found;
  }

  /** The same, and only those of a span of times; each chunk finds its own by binary search. */
  *inTime(first: number, last: number, time: TimeBounds, descending: boolean): Generator<StoredEvent> {
    for (const [chunk, from, to] of this.#chunksOf(first, last, descending)) {
      if (isOutside(chunk, time)) continue;
      const places = placesIn(chunk, time).filter((at) => at >= from && at <= to);
      if (descending) places.reverse();
      for (const at of places) {
        const event = chunk.events[at];
        if (event !== undefined) yield event;
      }
    }
  }

  /** At most so many events lie within the bounds and the times. */
  most(first: number, last: number, time: TimeBounds): number {
    let most = 0;
    for (const [chunk] of this.#chunksOf(first, last, false)) if (!isOutside(chunk, time)) most += chunk.live;
    return most;
  }

  /** By reading everything that changed since it was asked last, in slices. */
  async size(): Promise<StoreSize> {
    const slice = new Slice();
    let bytes = 0;
    for (const chunk of this.#chunks) {
      if (chunk === undefined) continue;
      bytes += chunk.bytes ?? (await measure(chunk, slice));
    }
    return { events: this.#count, storedBytes: bytes, originalBytes: bytes };
  }

  /** Chunks that hold anything, with the places in each that lie between the bounds. */
  *#chunksOf(first: number, last: number, descending: boolean): Generator<[chunk: Chunk, from: number, to: number]> {
    if (first > last) return;
    const [lowest, highest] = [Math.floor(first / CHUNK), Math.min(Math.floor(last / CHUNK), this.#chunks.length - 1)];
    for (let i = 0; i <= highest - lowest; i++) {
      const index = descending ? highest - i : lowest + i;
      const chunk = this.#chunks[index];
      if (chunk === undefined) continue;
      const start = index * CHUNK;
      yield [chunk, Math.max(0, first - start), Math.min(CHUNK - 1, last - start)];
    }
  }
}

function emptyChunk(time: number): Chunk {
  return { events: [], live: 0, from: time, to: time, byTime: undefined, bytes: undefined, changes: 0 };
}

function touch(chunk: Chunk): void {
  chunk.byTime = undefined;
  chunk.bytes = undefined;
  chunk.changes++;
}

function isOutside(chunk: Chunk, { from = -Infinity, to = Infinity }: TimeBounds): boolean {
  return chunk.to < from || chunk.from > to;
}

/** Places within a chunk, rising, of the events within the times. */
function placesIn(chunk: Chunk, { from = -Infinity, to = Infinity }: TimeBounds): number[] {
  const byTime = (chunk.byTime ??= sortByTime(chunk));
  const timeOf = (i: number): number => chunk.events[byTime[i]!]!.time;
  const found: number[] = [];
  for (let i = firstFrom(byTime.length, timeOf, from); i < byTime.length && timeOf(i) <= to; i++)
    found.push(byTime[i]!);
  return found.toSorted((a, b) => a - b);
}

function sortByTime({ events }: Chunk): Uint16Array {
  const places: number[] = [];
  for (let at = 0; at < events.length; at++) if (events[at] !== undefined) places.push(at);
  return Uint16Array.from(places.toSorted((a, b) => events[a]!.time - events[b]!.time));
}

/** The first of so many rising times that is at least `from`. */
function firstFrom(count: number, timeOf: (i: number) => number, from: number): number {
  let [low, high] = [0, count];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (timeOf(middle) < from) low = middle + 1;
    else high = middle;
  }
  return low;
}

async function measure(chunk: Chunk, slice: Slice): Promise<number> {
  const { changes } = chunk;
  let bytes = 0;
  for (const event of chunk.events) {
    if (event !== undefined) bytes += Buffer.byteLength(JSON.stringify(event));
    if (slice.isOver) await slice.rest();
  }
  if (chunk.changes === changes) chunk.bytes = bytes;
  return bytes;
}
