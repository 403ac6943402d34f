import type { PageQuery, StoredEvent } from '../../lib/plugin.ts';

const CHUNK = 4_096;

interface Chunk {
  readonly events: (StoredEvent | undefined)[];
  live: number;
  /** Bounds of the event times ever put in: a reader by time passes over whole chunks. */
  from: number;
  to: number;
}

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
    const chunk = (this.#chunks[Math.floor(position / CHUNK)] ??= { events: [], live: 0, from: time, to: time });
    const at = position % CHUNK;
    // A chunk's array has no holes: it is filled up where the log was entered in its middle.
    while (chunk.events.length < at) chunk.events.push(undefined);
    if (chunk.events[at] === undefined) {
      chunk.live++;
      this.#count++;
    }
    chunk.events[at] = event;
    if (time < chunk.from) chunk.from = time;
    if (time > chunk.to) chunk.to = time;
  }

  delete(position: number): void {
    const index = Math.floor(position / CHUNK);
    const chunk = this.#chunks[index];
    if (chunk?.events[position % CHUNK] === undefined) return;
    chunk.events[position % CHUNK] = undefined;
    this.#count--;
    if (--chunk.live === 0) this.#chunks[index] = undefined;
  }

  /** Positions of events between the bounds, in the query's direction, passing over chunks of other times. */
  *scan(first: number, last: number, query: Pick<PageQuery, 'descending' | 'time'>): Generator<StoredEvent> {
    const step = query.descending ? -1 : 1;
    const end = query.descending ? first : last;
    for (let at = query.descending ? last : first; (end - at) * step >= 0; at += step) {
      const index = Math.floor(at / CHUNK);
      const chunk = this.#chunks[index];
      if (chunk === undefined || isOutside(chunk, query.time)) {
        at = query.descending ? index * CHUNK : (index + 1) * CHUNK - 1;
        continue;
      }
      const event = chunk.events[at % CHUNK];
      if (event !== undefined) yield event;
    }
  }
}

function isOutside(chunk: Chunk, time: PageQuery['time']): boolean {
  return time !== undefined && (chunk.to < (time.from ?? -Infinity) || chunk.from > (time.to ?? Infinity));
}
