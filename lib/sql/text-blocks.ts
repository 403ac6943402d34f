import type { StoredEvent } from '../event/event.ts';
import { Slice } from '../store/slice.ts';
import { distinctTrigrams, searchedTextOf } from './trigrams.ts';

/**
 * Trigrams of stretches of the log. A block is written when all its positions are taken, in the background: no append
 * has anything to do with it. Where a block is not written (yet, or any more, because an event of it was removed or
 * rewritten) all its positions are candidates.
 */

/** Positions of a block; that from 1 to 512 is block 0. */
export const BLOCK_POSITIONS = 512;
/** Under this "trigram" a block has the events that have too much text. */
export const ANY_TRIGRAM = '';

const BITMAP_BYTES = BLOCK_POSITIONS / 8;
/** Fewer places are a list of them. */
const MOST_LISTED = BITMAP_BYTES / 2 - 1;
/** Trigrams that are asked for at once: after some of them only few blocks are left. */
const ASKED = 3;
/** Blocks that are asked for at once. */
const STRETCH = 256;

/** Which places of a block have a trigram. */
export interface BlockEntry {
  readonly trigram: string;
  readonly places: Uint8Array;
}

export type FoundEntry = BlockEntry & { readonly block: number };

/** What a store has written. */
export interface BlockSource {
  /** Which blocks between two, both included, are written. */
  written(first: number, last: number): Promise<readonly number[]>;
  /** The entries of some blocks for some trigrams. */
  entries(blocks: readonly number[], trigrams: readonly string[]): Promise<readonly FoundEntry[]>;
}

export interface Stretch {
  /** Exclusive. */
  readonly after: number;
  /** Inclusive. */
  readonly through: number;
  readonly descending: boolean;
  readonly limit: number;
}

export interface Candidates {
  /** In the order asked for, at most `limit`. */
  readonly positions: readonly number[];
  /** How far they reach, as in a `Page`. */
  readonly looked: number;
  readonly done: boolean;
}

export function blockOf(position: number): number {
  return Math.floor((position - 1) / BLOCK_POSITIONS);
}

/** The entries of a block, by rising trigrams. The event loop turns meanwhile. */
export async function entriesOf(events: readonly StoredEvent[]): Promise<readonly BlockEntry[]> {
  const places = new Map<string, number[]>();
  const slice = new Slice();
  for (const event of events) {
    const text = searchedTextOf(event);
    const place = (event.position - 1) % BLOCK_POSITIONS;
    for (const trigram of text === undefined ? [ANY_TRIGRAM] : distinctTrigrams(text)) {
      const known = places.get(trigram);
      if (known === undefined) places.set(trigram, [place]);
      else known.push(place);
    }
    if (slice.isOver) await slice.rest();
  }
  const entries: BlockEntry[] = [];
  for (const trigram of [...places.keys()].toSorted()) {
    entries.push({ trigram, places: pack(places.get(trigram)!) });
    if (slice.isOver) await slice.rest();
  }
  return entries;
}

/** The next positions that may have all trigrams. It may answer none although there are some farther on. */
export async function candidatesOf(
  source: BlockSource,
  trigrams: readonly string[],
  { after, through, descending, limit }: Stretch,
): Promise<Candidates> {
  const [first, last] = [blockOf(after + 1), blockOf(through)];
  const from = descending ? Math.max(first, last - STRETCH + 1) : first;
  const to = descending ? last : Math.min(last, first + STRETCH - 1);
  const written = new Set(await source.written(from, to));
  const found = await search(source, trigrams, [...written]);
  const positions: number[] = [];
  for (let block = from; block <= to; block++) {
    const bitmap = written.has(block) ? found.get(block) : undefined;
    if (written.has(block) && bitmap === undefined) continue;
    for (let place = 0; place < BLOCK_POSITIONS; place++) {
      const position = block * BLOCK_POSITIONS + place + 1;
      if (position > after && position <= through && (bitmap === undefined || has(bitmap, place)))
        positions.push(position);
    }
  }
  if (descending) positions.reverse();
  if (positions.length > limit) {
    positions.length = limit;
    return { positions, looked: positions[limit - 1]!, done: false };
  }
  const done = descending ? from === first : to === last;
  if (done) return { positions, looked: descending ? after : through, done };
  return { positions, looked: descending ? from * BLOCK_POSITIONS + 1 : (to + 1) * BLOCK_POSITIONS, done };
}

/** Blocks that have places with all trigrams, or with too much text. */
async function search(
  source: BlockSource,
  trigrams: readonly string[],
  blocks: readonly number[],
): Promise<ReadonlyMap<number, Uint8Array>> {
  let left = new Map(blocks.map((block) => [block, new Uint8Array(BITMAP_BYTES).fill(0xff)]));
  for (let at = 0; at < trigrams.length && left.size > 0; at += ASKED) {
    const asked = trigrams.slice(at, at + ASKED);
    const hits = new Map<number, number>();
    for (const { block, places } of await source.entries([...left.keys()], asked)) {
      hits.set(block, (hits.get(block) ?? 0) + 1);
      intersect(left.get(block)!, unpack(places));
    }
    left = new Map(
      [...left].filter(([block, bits]) => hits.get(block) === asked.length && bits.some((byte) => byte !== 0)),
    );
  }
  for (const { block, places } of await source.entries(blocks, [ANY_TRIGRAM])) {
    const bits = left.get(block) ?? new Uint8Array(BITMAP_BYTES);
    unite(bits, unpack(places));
    left.set(block, bits);
  }
  return left;
}

function pack(places: readonly number[]): Uint8Array {
  if (places.length <= MOST_LISTED) {
    const list = Buffer.alloc(places.length * 2);
    places.forEach((place, i) => list.writeUInt16LE(place, i * 2));
    return list;
  }
  const bits = new Uint8Array(BITMAP_BYTES);
  for (const place of places) mark(bits, place);
  return bits;
}

function unpack(places: Uint8Array): Uint8Array {
  if (places.length === BITMAP_BYTES) return places;
  const bits = new Uint8Array(BITMAP_BYTES);
  for (let i = 0; i + 1 < places.length; i += 2) mark(bits, places[i]! | (places[i + 1]! << 8));
  return bits;
}

function mark(bits: Uint8Array, place: number): void {
  bits[place >> 3]! |= 1 << (place & 7);
}

function has(bits: Uint8Array, place: number): boolean {
  return (bits[place >> 3]! & (1 << (place & 7))) !== 0;
}

function intersect(bits: Uint8Array, other: Uint8Array): void {
  for (let i = 0; i < bits.length; i++) bits[i]! &= other[i]!;
}

function unite(bits: Uint8Array, other: Uint8Array): void {
  for (let i = 0; i < bits.length; i++) bits[i]! |= other[i]!;
}
