import type { StoredEvent } from '../event/event.ts';
import { LETTER_OPENED, SETTLED, readLetter, readStep } from './letter.ts';
import { LogIndex } from './log-index.ts';
import type { Store } from './port.ts';
import type { Range } from './ranges.ts';
import { Slice } from './slice.ts';

/**
 * Which letters of a log are open: two numbers for each, read from the log at first use and caught up with it at every
 * later one, so that nobody who wants the open ones goes through those that were settled. Letters that are not in the
 * log are not here.
 */
export class OpenLetters extends LogIndex {
  /** Where each was opened, ascending. */
  readonly #letters: number[] = [];
  /** Where the event of each is; 0 for one that is not in the log. */
  readonly #events: number[] = [];

  constructor(store: Store) {
    super(store, [LETTER_OPENED, ...SETTLED.keys()]);
  }

  get size(): number {
    return this.#letters.length;
  }

  has(position: number): boolean {
    return this.#letters[this.#indexOf(position)] === position;
  }

  /** The first open letter behind a position, or the last one before it; undefined where there is none. */
  next(position: number, backward = false): number | undefined {
    return this.#letters[backward ? this.#indexOf(position) - 1 : this.#indexOf(position + 1)];
  }

  /** Where open letters about the event at a position were opened. */
  about(position: number): readonly number[] {
    return this.#letters.filter((_, index) => this.#events[index] === position);
  }

  /** Positions of the events that open letters refer to, ascending, each once. */
  eventPositions(): readonly number[] {
    const positions = this.#events.filter((position) => position > 0).toSorted((a, b) => a - b);
    return positions.filter((position, i) => position !== positions[i - 1]);
  }

  /** Positions at which open letters were opened, ascending. */
  letterPositions(): readonly number[] {
    return [...this.#letters];
  }

  protected take(events: readonly StoredEvent[]): void {
    const settled: number[] = [];
    for (const event of events) {
      if (event.type === LETTER_OPENED) this.#open(event.position, readLetter(event).position ?? 0);
      else settled.push(readStep(event).opened);
    }
    this.#settle(settled);
  }

  // Only what the store calls removed is gone.
  protected async forget(ranges: readonly Range[]): Promise<void> {
    const slice = new Slice();
    for (const range of ranges) {
      if (slice.isOver) await slice.rest();
      // Asking the store costs more than looking here, and a sweep removes many ranges.
      if (this.#indexOf(range.from) === this.#indexOf(range.to + 1)) continue;
      for (const { from, to } of await this.store.removed(range)) {
        const start = this.#indexOf(from);
        const count = this.#indexOf(to + 1) - start;
        this.#letters.splice(start, count);
        this.#events.splice(start, count);
      }
    }
  }

  #open(letter: number, event: number): void {
    this.#letters.push(letter);
    this.#events.push(event);
  }

  // A page at once: taking one out of 100,000 moves all those behind it.
  #settle(letters: readonly number[]): void {
    if (letters.length === 0) return;
    const settled = new Set(letters);
    const first = this.#indexOf(letters.reduce((least, letter) => Math.min(least, letter)));
    let kept = first;
    for (let i = first; i < this.#letters.length; i++) {
      if (settled.has(this.#letters[i]!)) continue;
      this.#letters[kept] = this.#letters[i]!;
      this.#events[kept++] = this.#events[i]!;
    }
    this.#letters.length = kept;
    this.#events.length = kept;
  }

  // Of the first letter at or behind the position.
  #indexOf(position: number): number {
    let low = 0;
    let high = this.#letters.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#letters[middle]! < position) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

const known = new WeakMap<Store, OpenLetters>();

/** The open letters of a store, caught up with it; the same object for everybody who asks. */
export async function openLetters(store: Store): Promise<OpenLetters> {
  let letters = known.get(store);
  if (!letters) known.set(store, (letters = new OpenLetters(store)));
  await letters.catchUp();
  return letters;
}

/** Positions of the events that open letters refer to, ascending: what must stay until the letters are settled. */
export async function openLetterPositions(store: Store): Promise<readonly number[]> {
  return (await openLetters(store)).eventPositions();
}
