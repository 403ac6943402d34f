import { createHash, randomFillSync } from 'node:crypto';

export interface IdSourceOptions {
  /** Epoch ms; fractions are dropped. Default `Date.now`. */
  readonly now?: () => number;
  /** Fills the array with random bits. Default: the platform's cryptographic source, 1,024 words at a time. */
  readonly random?: (words: Uint16Array) => unknown;
}

/** Makes the next id. Pass the time where it is already known: reading the clock costs as much as the id. */
export type IdSource = (time?: number) => string;

const TAIL_SIZE = 0x10000;
const BATCH_WORDS = 1_024;
const LAST_MS = 2 ** 48 - 1;
const SEQUENCE_LIMIT = 0x1000;

/**
 * UUIDv7 (RFC 9562) whose text order is the order of making, also while the clock stands still or falls back: the time
 * part never falls within one source. Not a secret: ids of one millisecond share their random part and count upwards
 * in their last 16 bits, which makes an id one concatenation instead of nine.
 *
 * 12 bits `rand_a` = a sequence that starts at random; 46 random bits; 16 bits of counter that start at random. When the
 * counter is used up the sequence rises with new random bits, and after it the millisecond.
 */
export function createIdSource(options: IdSourceOptions = {}): IdSource {
  const now = options.now ?? Date.now;
  const words = createWords(options.random ?? randomFillSync);
  let millisecond = -1;
  let sequence = 0;
  let counter = TAIL_SIZE;
  let stem = '';

  function begin(time: number): void {
    millisecond = time;
    sequence = words() >>> 4;
    counter = words();
    stem = stemOf(time, sequence, words);
  }

  function overflow(): void {
    if (++sequence >= SEQUENCE_LIMIT) return begin(millisecond + 1);
    counter = 0;
    stem = stemOf(millisecond, sequence, words);
  }

  return (time = now()) => {
    // `>=` instead of flooring: the next whole millisecond is what begins a new stem. NaN compares false.
    if (time >= millisecond + 1 && time < LAST_MS) begin(Math.floor(time));
    else if (millisecond < 0) begin(0);
    else if (counter >= TAIL_SIZE) overflow();
    return stem + HEX4[counter++]!;
  };
}

/** The same for the same parts in every process: whoever stores what it names a second time finds the first. */
export function derivedId(prefix: string, ...parts: readonly (string | number)[]): string {
  return `${prefix}-${createHash('sha256').update(JSON.stringify(parts)).digest('base64url')}`;
}

/** The time inside an id made here, epoch ms. */
export function timeOfId(id: string): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}

const HEX4: readonly string[] = Array.from({ length: TAIL_SIZE }, (_, i) => i.toString(16).padStart(4, '0'));

function stemOf(time: number, sequence: number, words: () => number): string {
  const text = time.toString(16).padStart(12, '0');
  const variant = HEX4[0x8000 | (words() & 0x3fff)]!;
  const high = HEX4[words()]! + HEX4[words()]!;
  return `${text.slice(0, 8)}-${text.slice(8)}-7${HEX4[sequence]!.slice(1)}-${variant}-${high}`;
}

function createWords(fill: (words: Uint16Array) => unknown): () => number {
  const batch = new Uint16Array(BATCH_WORDS);
  let next = BATCH_WORDS;
  return () => {
    if (next === BATCH_WORDS) {
      fill(batch);
      next = 0;
    }
    return batch[next++]!;
  };
}
