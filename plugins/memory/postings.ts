import type { Slice } from '../../lib/plugin.ts';
import { ShardedMap } from './sharded-map.ts';

// A pushed array keeps room for 16 more; most lists stay shorter than that.
const EXACT = 8;
/** Longer lists are not copied for each removal. */
const LONG = 64;
const CHECK = 1_024;

/** Rising positions; a bare number until the second, because most keys never have one. */
type Posting = number | number[];

/** Positions by key. A position that is gone may linger; the reader skips it. */
export class Postings {
  readonly #byKey = new ShardedMap<Posting>();

  add(key: string, position: number): void {
    const posting = this.#byKey.get(key);
    if (posting === undefined) this.#byKey.set(key, position);
    else if (typeof posting === 'number') this.#byKey.set(key, [posting, position]);
    else if (posting.length < EXACT) this.#byKey.set(key, [...posting, position]);
    else posting.push(position);
  }

  get(key: string): readonly number[] {
    const posting = this.#byKey.get(key);
    if (posting === undefined) return [];
    return typeof posting === 'number' ? [posting] : posting;
  }

  /** The key's newest position; 0 for none. */
  last(key: string): number {
    const posting = this.#byKey.get(key);
    return typeof posting === 'number' ? posting : (posting?.[posting.length - 1] ?? 0);
  }

  /** Forgets what lies before `first`; amortised, since a list is cut only when half of it is gone. */
  trim(key: string, first: number): void {
    const posting = this.#byKey.get(key);
    if (posting === undefined) return;
    if (typeof posting === 'number') {
      if (posting < first) this.#byKey.delete(key);
      return;
    }
    const gone = lowerBound(posting, first);
    // A copy: whoever is reading the list goes on with the old one.
    if (gone === posting.length) this.#byKey.delete(key);
    else if (gone * 2 > posting.length) this.#byKey.set(key, posting.slice(gone));
  }

  /** Forgets one position; false when the list is so long that it is left to `compact`. */
  remove(key: string, position: number): boolean {
    const posting = this.#byKey.get(key);
    if (posting === undefined) return true;
    if (typeof posting !== 'number' && posting.length > LONG) return false;
    const left = typeof posting === 'number' ? [posting].filter((one) => one !== position) : without(posting, position);
    this.#put(key, left);
    return true;
  }

  /** Adds a position in its place; the list is copied for it. */
  insert(key: string, position: number): void {
    const before = this.get(key);
    const at = lowerBound(before, position);
    if (before[at] !== position) this.#put(key, before.toSpliced(at, 0, position));
  }

  /** Keeps only the positions that `lives` answers true for, in slices: what is added meanwhile stays. */
  async compact(key: string, lives: (position: number) => boolean, slice: Slice): Promise<void> {
    for (let posting = this.#byKey.get(key); typeof posting === 'object';) {
      const left: number[] = [];
      // The list grows at its end while this goes on; one that was cut meanwhile is another list.
      for (let i = 0; i < posting.length; i++) {
        if (lives(posting[i]!)) left.push(posting[i]!);
        if (i % CHECK === 0 && slice.isOver) await slice.rest();
      }
      const now = this.#byKey.get(key);
      if (now === posting) return this.#put(key, left);
      posting = now;
    }
  }

  #put(key: string, positions: number[]): void {
    if (positions.length === 0) this.#byKey.delete(key);
    else this.#byKey.set(key, positions.length === 1 ? positions[0]! : positions);
  }
}

function without(positions: readonly number[], position: number): number[] {
  return positions.filter((one) => one !== position);
}

/** The index of the first position that is at least `position`. */
export function lowerBound(positions: readonly number[], position: number): number {
  let low = 0;
  let high = positions.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (positions[middle]! < position) low = middle + 1;
    else high = middle;
  }
  return low;
}
