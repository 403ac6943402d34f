import { ShardedMap } from './sharded-map.ts';

// A pushed array keeps room for 16 more; most lists stay shorter than that.
const EXACT = 8;

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
    if (gone === posting.length) this.#byKey.delete(key);
    else if (gone * 2 > posting.length) posting.splice(0, gone);
  }

  /** Keeps only the positions that `lives` answers true for. */
  filter(key: string, lives: (position: number) => boolean): void {
    const left = this.get(key).filter(lives);
    if (left.length === 0) this.#byKey.delete(key);
    else this.#byKey.set(key, left.length === 1 ? left[0]! : left);
  }
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
