import { crc32, deflateRaw, deflateRawSync, inflateRaw, inflateRawSync } from 'node:zlib';
import type { ZlibOptions } from 'node:zlib';
import { promisify } from 'node:util';

/**
 * A compressed segment is a file of gzip members that `zcat` reads as one text: the header line, then the records in
 * blocks of whole lines. Each member says in an extra field how long it is, and the header how long all blocks are, so
 * that one block can be read alone. Records keep the offsets that they have, or would have, in the plain file.
 */
export interface Layout {
  /** Where the records begin, in offsets of the plain file. */
  readonly start: number;
  /** Of each block two numbers: its length in the file, and that of its content. */
  readonly blocks: readonly number[];
}

/** A block ends with the first line that reaches this: one block is inflated for one event. */
export const BLOCK_BYTES = 64 * 1024;

const HEAD = Buffer.from([0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255, 12, 0, 0x54, 0x54, 8, 0]);
const HEAD_BYTES = HEAD.length + 8;
const TRAILER_BYTES = 8;
/** No member is longer; a length beyond is damage. */
const MOST_BYTES = 256 * 1024 * 1024;

/** Of so few bytes the work itself takes less than handing it to another thread. */
const SMALL_BYTES = 8 * 1024;

const deflate = promisify<Buffer, Buffer>(deflateRaw);
const inflate = promisify<Buffer, ZlibOptions, Buffer>(inflateRaw);

export function isCompressed(bytes: Buffer): boolean {
  return bytes[0] === HEAD[0] && bytes[1] === HEAD[1];
}

/** One gzip member; the work is done beside the event loop, unless it is small. */
export async function encodeBlock(raw: Buffer): Promise<Buffer> {
  const packed = raw.length <= SMALL_BYTES ? deflateRawSync(raw) : await deflate(raw);
  const head = Buffer.alloc(HEAD_BYTES);
  HEAD.copy(head);
  head.writeUInt32LE(packed.length + HEAD_BYTES + TRAILER_BYTES, HEAD.length);
  head.writeUInt32LE(raw.length, HEAD.length + 4);
  const trailer = Buffer.alloc(TRAILER_BYTES);
  trailer.writeUInt32LE(crc32(raw), 0);
  trailer.writeUInt32LE(raw.length, 4);
  return Buffer.concat([head, packed, trailer]);
}

/** Length of the member that begins at `at`; 0 when none does. */
export function blockLength(bytes: Buffer, at = 0): number {
  if (bytes.length - at < HEAD_BYTES || bytes.compare(HEAD, 0, HEAD.length, at, at + HEAD.length) !== 0) return 0;
  const length = bytes.readUInt32LE(at + HEAD.length);
  return length <= MOST_BYTES ? length : 0;
}

/** The content of a member; `undefined` when it is damaged. */
export async function decodeBlock(block: Buffer): Promise<Buffer | undefined> {
  if (block.length < HEAD_BYTES + TRAILER_BYTES || blockLength(block) !== block.length) return undefined;
  try {
    const packed = block.subarray(HEAD_BYTES, block.length - TRAILER_BYTES);
    const bytes = Math.min(MOST_BYTES, block.readUInt32LE(HEAD.length + 4));
    const options = { chunkSize: bytes + 64, maxOutputLength: bytes + 64 };
    const raw = bytes <= SMALL_BYTES ? inflateRawSync(packed, options) : await inflate(packed, options);
    return crc32(raw) === block.readUInt32LE(block.length - TRAILER_BYTES) ? raw : undefined;
  } catch {
    return undefined;
  }
}

/** The next place from `at` where a member may begin; -1 for none. */
export function nextBlock(bytes: Buffer, at: number): number {
  return bytes.indexOf(HEAD, at);
}

/** The blocks that hold the bytes from `start` to `end`: where they lie in the file, and where their content begins. */
export function covering(
  layout: Layout,
  first: number,
  start: number,
  end: number,
): { readonly at: number; readonly raw: number; readonly lengths: readonly number[] } {
  let at = first;
  let raw = layout.start;
  const lengths: number[] = [];
  let found = { at, raw };
  for (let i = 0; i < layout.blocks.length && raw < end; i += 2) {
    const [bytes, rawBytes] = [layout.blocks[i]!, layout.blocks[i + 1]!];
    if (raw + rawBytes > start) {
      if (lengths.length === 0) found = { at, raw };
      lengths.push(bytes);
    }
    at += bytes;
    raw += rawBytes;
  }
  return { ...found, lengths };
}

/** Where the records end, in offsets of the plain file. */
export function endOf(layout: Layout): number {
  return layout.blocks.reduce((sum, length, i) => (i % 2 === 1 ? sum + length : sum), layout.start);
}
