import { TelltaleError, expected } from '../../lib/plugin.ts';
import type { RemovedRange } from '../../lib/plugin.ts';
import { blockLength, decodeBlock, encodeBlock, endOf, isCompressed } from './blocks.ts';
import type { Layout } from './blocks.ts';
import type { OpenFile } from './file-system.ts';
import { readFully } from './io.ts';
import { NEWLINE, decodeLine, encodeLine } from './line.ts';
import { fromSpans, toSpans } from './spans.ts';

/** Raised when older programs could misread what newer ones write. */
export const FORMAT = 1;

const HEADER_BYTES = 4 * 1024;

/** The first line of every segment, synced before a record is written behind it. */
export interface SegmentHeader {
  /** Position of the first record; also in the file's name. */
  readonly first: number;
  /** Changes whenever the segment is rewritten, so that an index knows which content it describes. */
  readonly uid: string;
  /** Epoch ms. */
  readonly created: number;
  /**
   * Position of the last record; only where segments were joined. Those behind this one that begin up to here are in it,
   * and were to be deleted.
   */
  readonly last?: number;
  /** `storedAt` of the last record before this segment. */
  readonly storedAt: number;
  /** Ranges taken out of this segment, and ranges lost just before it. */
  readonly removed: readonly RemovedRange[];
  /** Where the records lie; only in a compressed segment. */
  readonly layout?: Layout;
}

/** A header and what its place in the file tells. */
export interface FoundHeader {
  readonly header: SegmentHeader;
  /** Where the records begin, in offsets of the plain file. */
  readonly start: number;
  /** Where they begin in this file. */
  readonly at: number;
}

export function encodeHeader(header: SegmentHeader): Buffer {
  const { removed, layout, ...rest } = header;
  const line = { telltale: 'json-file', format: FORMAT, ...rest, removed: toSpans(removed), layout };
  return encodeLine(JSON.stringify(line));
}

/** The header in an intact first line; `undefined` when the line is damaged. Throws `STORE_VERSION`. */
export function decodeHeader(bytes: Buffer, path: string): SegmentHeader | undefined {
  const line = decodeLine(bytes);
  if (line === undefined || line['telltale'] !== 'json-file') return undefined;
  const { format } = line;
  if (typeof format !== 'number' || format > FORMAT)
    throw expected('STORE_VERSION', `the format of ${path}`, `at most ${FORMAT}`, format, {
      details: { path, expected: FORMAT, actual: format },
    });
  const { first, uid, last, created, storedAt, removed, layout } = line;
  return {
    first,
    uid,
    ...(last !== undefined && { last: last as number }),
    created,
    storedAt,
    removed: fromSpans(removed as Parameters<typeof fromSpans>[0]),
    ...(layout !== undefined && { layout: layout as Layout }),
  } as SegmentHeader;
}

/** The first member of a compressed segment. */
export function encodeCompressedHeader(header: SegmentHeader): Promise<Buffer> {
  return encodeBlock(encodeHeader(header));
}

/** The header of a segment's file, whichever form it has; `undefined` when it is damaged. */
export async function readHeader(file: OpenFile, path: string): Promise<FoundHeader | undefined> {
  const bytes = await readFully(file, 0, HEADER_BYTES);
  if (isCompressed(bytes)) return readCompressed(file, path, bytes);
  const line = await upToNewline(file, bytes);
  const header = decodeHeader(line, path);
  const start = line.indexOf(NEWLINE) + 1;
  return header === undefined ? undefined : { header, start, at: start };
}

/** Where the records of a segment end, in offsets of the plain file, if its header tells. */
export function endOfRecords({ layout }: SegmentHeader): number | undefined {
  return layout === undefined ? undefined : endOf(layout);
}

async function readCompressed(file: OpenFile, path: string, bytes: Buffer): Promise<FoundHeader | undefined> {
  const length = blockLength(bytes);
  if (length === 0) return undefined;
  const block = length <= bytes.length ? bytes.subarray(0, length) : await readFully(file, 0, length);
  const line = await decodeBlock(block);
  const header = line === undefined ? undefined : decodeHeader(line, path);
  if (header?.layout === undefined) return undefined;
  return { header, start: header.layout.start, at: length };
}

/** A header is short unless many ranges were removed from its segment. */
async function upToNewline(file: OpenFile, bytes: Buffer): Promise<Buffer> {
  let found = bytes;
  for (let wanted = HEADER_BYTES; found.length === wanted && !found.includes(NEWLINE);) {
    wanted *= 4;
    found = await readFully(file, 0, wanted);
  }
  return found;
}

export function damagedHeader(path: string): TelltaleError {
  return new TelltaleError('STORE_CORRUPT', `expected ${path} to begin with its header, found damage at byte 0`, {
    details: { path, offset: 0 },
  });
}
