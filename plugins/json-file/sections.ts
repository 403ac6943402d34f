/**
 * The two forms in which keys lie in an index file. A section: hashes in rising order, then the record of each, halves
 * of equal length. A filter: a Bloom filter over the same hashes, 12 bits for each distinct one, which says of most
 * keys that a segment does not hold that they are not there (all but about 4 in 1,000).
 */

/** Stands for "no key" among hashes. */
export const NO_KEY = -1;

const FEW_KEYS = 8_192;
const BITS_PER_KEY = 12;
const PROBES = 6;

interface Keys {
  readonly hashes: Uint32Array;
  readonly records: Uint32Array;
}

/** A section of the keys in `base`, if any, and of those in `column`: hashes by record number, with holes. */
export function toSection(column: readonly number[], base: Uint32Array | undefined): Uint32Array {
  const known = base === undefined ? 0 : base.length / 2;
  const hashes = new Uint32Array(known + column.length);
  const records = new Uint32Array(known + column.length);
  if (base !== undefined) {
    hashes.set(base.subarray(0, known));
    records.set(base.subarray(known));
  }
  let count = known;
  for (let i = 0; i < column.length; i++) {
    const hash = column[i];
    if (hash === undefined || hash === NO_KEY) continue;
    hashes[count] = hash;
    records[count++] = i;
  }
  return sortByHash(hashes.subarray(0, count), records.subarray(0, count));
}

/**
 * Radix sort: a tenth of a comparing sort, and records of one hash stay in their order. Two passes over 16 bits each,
 * or four over 8, because 65,536 counters cost more than all else in a section of a few keys.
 */
function sortByHash(hashes: Uint32Array, records: Uint32Array): Uint32Array {
  const bits = hashes.length < FEW_KEYS ? 8 : 16;
  let section = new Uint32Array(0);
  let from: Keys = { hashes, records };
  for (let shift = 0; shift < 32; shift += bits) {
    section = sortByDigit(from, shift, 2 ** bits);
    from = { hashes: section.subarray(0, hashes.length), records: section.subarray(hashes.length) };
  }
  return section;
}

function sortByDigit(from: Keys, shift: number, radix: number): Uint32Array<ArrayBuffer> {
  const count = from.hashes.length;
  const next = new Uint32Array(radix + 1);
  for (let i = 0; i < count; i++) next[((from.hashes[i]! >>> shift) & (radix - 1)) + 1]!++;
  for (let digit = 1; digit <= radix; digit++) next[digit]! += next[digit - 1]!;
  const section = new Uint32Array(count * 2);
  for (let i = 0; i < count; i++) {
    const hash = from.hashes[i]!;
    const at = next[(hash >>> shift) & (radix - 1)]!++;
    section[at] = hash;
    section[count + at] = from.records[i]!;
  }
  return section;
}

/** Records with this hash, rising. */
export function findKey(section: Uint32Array, hash: number): number[] {
  const count = section.length / 2;
  let [low, high] = [0, count];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (section[middle]! < hash) low = middle + 1;
    else high = middle;
  }
  const found: number[] = [];
  for (let i = low; i < count && section[i] === hash; i++) found.push(section[count + i]!);
  return found;
}

export function toFilter(section: Uint32Array): Uint32Array {
  const count = section.length / 2;
  let distinct = 0;
  for (let i = 0; i < count; i++) if (i === 0 || section[i] !== section[i - 1]) distinct++;
  const filter = new Uint32Array(Math.max(1, Math.ceil((distinct * BITS_PER_KEY) / 32)));
  const bits = filter.length * 32;
  for (let i = 0; i < count; i++) {
    let bit = section[i]!;
    const step = spread(bit);
    for (let probe = 0; probe < PROBES; probe++, bit = (bit + step) >>> 0) {
      const at = bit % bits;
      filter[at >>> 5]! |= 1 << (at & 31);
    }
  }
  return filter;
}

/** False when the filter's segment surely has no key with this hash. */
export function mayHold(filter: Uint32Array, hash: number): boolean {
  const bits = filter.length * 32;
  const step = spread(hash);
  let bit = hash;
  for (let probe = 0; probe < PROBES; probe++, bit = (bit + step) >>> 0) {
    const at = bit % bits;
    if ((filter[at >>> 5]! & (1 << (at & 31))) === 0) return false;
  }
  return true;
}

/** A second hash out of the first (the finalizer of MurmurHash3): odd, so that the probes differ. */
function spread(hash: number): number {
  let mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return ((mixed ^ (mixed >>> 16)) | 1) >>> 0;
}
