import { systemClock, type Clock } from '../clock.ts';
import { Slice } from '../store/slice.ts';
import { paced } from '../store/read/look-through.ts';

/** Bounds of a result cache. */
export interface CacheLimits {
  readonly entries: number;
  readonly bytes: number;
  readonly ttlMs: number;
}

export interface CacheFigures {
  /** Results kept now, and their estimated size. */
  readonly entries: number;
  readonly bytes: number;
  readonly hits: number;
  readonly misses: number;
}

interface Entry {
  readonly value: unknown;
  readonly bytes: number;
  readonly from: number;
  readonly to: number;
  readonly keptUntil: number;
}

interface Range {
  readonly from: number;
  readonly to: number;
}

/** What lies within a window of positions; both ends are fixed when a question is asked. */
interface PositionWindow {
  readonly after: number;
  readonly through: number;
}

/**
 * Answers of questions about a log, the least recently used going first.
 *
 * A window is fixed when the question is asked, and positions are never used again: what lies in it changes only by
 * removal or rewriting, which `forget` is told of. A question without end is another question once more is stored, so
 * no answer is ever behind. The `ttl` bounds how long a log that another process clears away can be told from here.
 * What is kept is frozen, because several readers are handed the same objects; what is too large to be kept is not.
 */
export class ResultCache {
  readonly #limits: CacheLimits;
  readonly #clock: Clock;
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;
  #hits = 0;
  #misses = 0;
  #removals = 0;

  constructor(limits: CacheLimits, clock: Clock = systemClock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  get figures(): CacheFigures {
    return { entries: this.#entries.size, bytes: this.#bytes, hits: this.#hits, misses: this.#misses };
  }

  /** The answer kept under `key`, which must name the window as well; otherwise the one of `compute`. */
  async through<T>(key: readonly unknown[], window: PositionWindow, compute: () => Promise<T>): Promise<T> {
    const text = JSON.stringify(key);
    const known = this.#entries.get(text);
    if (known !== undefined) this.#drop(text, known);
    if (known !== undefined && known.keptUntil > this.#clock.monotonic()) {
      this.#hits++;
      this.#put(text, known);
      return known.value as T;
    }
    this.#misses++;
    const removals = this.#removals;
    const value = await compute();
    const { bytes: taken, objects } = await measure(value, this.#limits.bytes - 2 * text.length);
    const bytes = 2 * text.length + taken;
    if (bytes > this.#limits.bytes) return value;
    await paced(objects, Object.freeze);
    // What was read while something was removed may be half of before and half of after.
    if (removals === this.#removals)
      this.#keep(text, {
        value,
        bytes,
        from: window.after + 1,
        to: window.through,
        keptUntil: this.#clock.monotonic() + this.#limits.ttlMs,
      });
    return value;
  }

  /** Events at these positions were removed or rewritten. */
  forget(ranges: readonly Range[]): void {
    this.#removals++;
    for (const [key, entry] of this.#entries)
      if (ranges.some(({ from, to }) => from <= entry.to && to >= entry.from)) this.#drop(key, entry);
  }

  #keep(key: string, entry: Entry): void {
    const twin = this.#entries.get(key);
    if (twin !== undefined) this.#drop(key, twin);
    this.#put(key, entry);
    for (const [oldest, known] of this.#entries) {
      if (this.#entries.size <= this.#limits.entries && this.#bytes <= this.#limits.bytes) return;
      this.#drop(oldest, known);
    }
  }

  #put(key: string, entry: Entry): void {
    this.#entries.set(key, entry);
    this.#bytes += entry.bytes;
  }

  #drop(key: string, entry: Entry): void {
    this.#entries.delete(key);
    this.#bytes -= entry.bytes;
  }
}

const VALUE_BYTES = 16;
/** Values between two looks at the clock. */
const STEP = 64;

interface Measured {
  /** About how many they take; Infinity where it is more than was asked about. */
  readonly bytes: number;
  /** Everything in it that can be frozen. */
  readonly objects: readonly object[];
}

/** Goes through plain data to the bottom, without recursion, until it is over `max`; the event loop turns in between. */
async function measure(value: unknown, max: number): Promise<Measured> {
  const slice = new Slice();
  const objects: object[] = [];
  const rest = [value];
  let bytes = 0;
  for (let done = 1; rest.length > 0; done++) {
    const part = rest.pop();
    bytes += typeof part === 'string' ? VALUE_BYTES + 2 * part.length : VALUE_BYTES;
    if (typeof part === 'object' && part !== null) {
      objects.push(part);
      const members = Object.values(part);
      if (bytes + members.length * VALUE_BYTES > max) return TOO_MUCH;
      for (const member of members) rest.push(member);
    }
    if (bytes > max) return TOO_MUCH;
    if (done % STEP === 0 && slice.isOver) await slice.rest();
  }
  return { bytes, objects };
}

const TOO_MUCH: Measured = { bytes: Infinity, objects: [] };
