import type { StoredEvent } from '../event/event.ts';
import { Slice } from '../store/slice.ts';
import { eachTrigram, searchedTextOf } from './trigrams.ts';

/**
 * Trigrams of stretches of the log. A block is written when all its positions are taken, in the background: no append
 * has anything to do with it. Where a block is not written (yet, or any more, because an event of it was removed or
 * rewritten) all its positions are candidates.
 */

/** Positions of a block; that from 1 to 512 is block 0. */
export const BLOCK_POSITIONS = 512;
/** An event with more bytes than this is not even read for its block. */
export const BLOCK_EVENT_BYTES = 512 * 1024;
/** Under this "trigram" a block has the events that have too much text, or are damaged. */
export const ANY_TRIGRAM = '';

const BITMAP_BYTES = BLOCK_POSITIONS / 8;
/** Fewer places are a list of them. */
const MOST_LISTED = BITMAP_BYTES / 2 - 1;
/** More trigrams than these take longer to be written than is good for who waits; what has further ones has too much text. */
const MOST_TRIGRAMS = 128 * 1024;
/** Trigrams between two looks at the clock. */
const STEP = 1_024;
/** Entries that are asked for at once: those of some trigrams, after which only few blocks are left. */
const ASKED_ENTRIES = 512;
const LEAST_ASKED = 3;
/** Blocks that are looked into for one page at most. */
const MOST_BLOCKS = 256;

/** Which places of a block have a trigram. */
export interface BlockEntry {
  readonly trigram: string;
  readonly places: Uint8Array;
}

export interface BlockEvent {
  readonly position: number;
  /** Absent where it is too large, or damaged. */
  readonly event?: Pick<StoredEvent, 'type' | 'entity' | 'payload'>;
}

export type FoundEntry = BlockEntry & { readonly block: number };

export interface FoundEntries {
  /** Which of the blocks are written. */
  readonly written: readonly number[];
  readonly entries: readonly FoundEntry[];
}

/** What a store has written. */
export interface BlockSource {
  /**
   * What some blocks have for some trigrams, all of it of one moment: of a block that is written, no entry says that
   * no event has the trigram.
   */
  look(blocks: readonly number[], trigrams: readonly string[]): Promise<FoundEntries>;
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
export async function entriesOf(events: AsyncIterable<BlockEvent>): Promise<readonly BlockEntry[]> {
  const places = new Map<string, Places>();
  const slice = new Slice();
  for await (const { position, event } of events) {
    const text = event && searchedTextOf(event);
    const place = (position - 1) % BLOCK_POSITIONS;
    let seen = 0;
    for (const trigram of text === undefined ? [ANY_TRIGRAM] : eachTrigram(text)) {
      const isFull = places.size >= MOST_TRIGRAMS && !places.has(trigram);
      add(places, isFull ? ANY_TRIGRAM : trigram, place);
      if (++seen % STEP === 0 && slice.isOver) await slice.rest();
      if (isFull) break;
    }
    if (slice.isOver) await slice.rest();
  }
  const sorted = [...places.keys()].toSorted();
  return sorted.map((trigram) => ({ trigram, places: pack(places.get(trigram)!) }));
}

/** Whether some entries say the same as others, in whatever order they come. */
export function sameEntries(some: readonly BlockEntry[], others: readonly BlockEntry[]): boolean {
  const places = new Map(others.map((entry) => [entry.trigram, entry.places]));
  return (
    some.length === others.length &&
    some.every((entry) => {
      const found = places.get(entry.trigram);
      return found !== undefined && Buffer.compare(unpack(entry.places), unpack(found)) === 0;
    })
  );
}

/** The next positions that may have all trigrams. It may answer none although there are some farther on. */
export async function candidatesOf(
  source: BlockSource,
  trigrams: readonly string[],
  { after, through, descending, limit }: Stretch,
): Promise<Candidates> {
  let [low, high] = [blockOf(after + 1), blockOf(through)];
  let positions: number[] = [];
  // As many blocks as would do if all had the words, and more where they do not.
  let width = Math.min(Math.ceil(limit / BLOCK_POSITIONS) + 1, MOST_BLOCKS);
  for (; low <= high && positions.length <= limit && width <= MOST_BLOCKS; width *= 8) {
    const from = descending ? Math.max(low, high - width + 1) : low;
    const to = descending ? high : Math.min(high, low + width - 1);
    const found = (await positionsIn(source, trigrams, from, to)).filter((one) => one > after && one <= through);
    positions = positions.concat(descending ? found.toReversed() : found);
    if (descending) high = from - 1;
    else low = to + 1;
  }
  if (positions.length > limit) {
    positions.length = limit;
    return { positions, looked: positions[limit - 1]!, done: false };
  }
  if (low > high) return { positions, looked: descending ? after : through, done: true };
  return { positions, looked: descending ? (high + 1) * BLOCK_POSITIONS + 1 : low * BLOCK_POSITIONS, done: false };
}

async function positionsIn(
  source: BlockSource,
  trigrams: readonly string[],
  from: number,
  to: number,
): Promise<number[]> {
  const blocks = Array.from({ length: to - from + 1 }, (_, i) => from + i);
  const positions: number[] = [];
  for (const [block, bits] of await search(source, trigrams, blocks))
    for (let place = 0; place < BLOCK_POSITIONS; place++)
      if (has(bits, place)) positions.push(block * BLOCK_POSITIONS + place + 1);
  return positions;
}

/**
 * The places that may have all trigrams: those of a block that are not ruled out while it is written. It may be taken
 * out, and even be written anew, between two looks.
 */
async function search(
  source: BlockSource,
  trigrams: readonly string[],
  blocks: readonly number[],
): Promise<ReadonlyMap<number, Uint8Array>> {
  const places = new Map(blocks.map((block) => [block, fullBitmap()]));
  let left = blocks;
  for (let at = 0; at < trigrams.length && left.length > 0;) {
    const asked = trigrams.slice(at, at + Math.max(LEAST_ASKED, Math.floor(ASKED_ENTRIES / left.length)));
    const found = placesOf(await source.look(left, [ANY_TRIGRAM, ...asked]), asked.length);
    for (const [block, bits] of found) intersect(places.get(block)!, bits);
    left = [...found.keys()].filter((block) => places.get(block)!.some((byte) => byte !== 0));
    at += asked.length;
  }
  return places;
}

/** The places of the blocks written that have as many trigrams as were asked for, or too much text. */
function placesOf({ written, entries }: FoundEntries, asked: number): ReadonlyMap<number, Uint8Array> {
  const crowded = new Map<number, Uint8Array>();
  const hits = new Map<number, number>();
  const found = new Map(written.map((block) => [block, fullBitmap()]));
  for (const { block, trigram, places } of entries) {
    if (trigram === ANY_TRIGRAM) {
      crowded.set(block, unpack(places));
      continue;
    }
    hits.set(block, (hits.get(block) ?? 0) + 1);
    // What is only begun is not written.
    const bits = found.get(block);
    if (bits !== undefined) intersect(bits, unpack(places));
  }
  for (const [block, bits] of found) {
    if (hits.get(block) !== asked) bits.fill(0);
    if (crowded.has(block)) unite(bits, crowded.get(block)!);
  }
  return found;
}

/** A list while there are few. */
type Places = number[] | Uint8Array;

function add(all: Map<string, Places>, trigram: string, place: number): void {
  const places = all.get(trigram);
  if (places === undefined) all.set(trigram, [place]);
  else if (places instanceof Uint8Array) mark(places, place);
  // Those of one event come one after another.
  else if (places[places.length - 1] === place) return;
  else if (places.length < MOST_LISTED) places.push(place);
  else all.set(trigram, bitmapOf([...places, place]));
}

function fullBitmap(): Uint8Array {
  return new Uint8Array(BITMAP_BYTES).fill(0xff);
}

function bitmapOf(places: readonly number[]): Uint8Array {
  const bits = new Uint8Array(BITMAP_BYTES);
  for (const place of places) mark(bits, place);
  return bits;
}

function pack(places: Places): Uint8Array {
  if (places instanceof Uint8Array) return places;
  const list = Buffer.alloc(places.length * 2);
  places.forEach((place, i) => list.writeUInt16LE(place, i * 2));
  return list;
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
