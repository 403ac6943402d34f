import { TelltaleError, expected } from '../../lib/plugin.ts';
import type { RemovedRange } from '../../lib/plugin.ts';
import type { OpenFile } from './file-system.ts';
import { readFully, readRest } from './io.ts';
import { NEWLINE, decodeLine, encodeLine } from './line.ts';

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
  /** `storedAt` of the last record before this segment. */
  readonly storedAt: number;
  /** Ranges taken out of this segment, and ranges lost just before it. */
  readonly removed: readonly RemovedRange[];
}

export function encodeHeader(header: SegmentHeader): Buffer {
  return encodeLine(JSON.stringify({ telltale: 'json-file', format: FORMAT, ...header }));
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
  const { first, uid, created, storedAt, removed } = line;
  return { first, uid, created, storedAt, removed } as SegmentHeader;
}

/** The header of a segment's file and the length of its line; `undefined` when it is damaged. */
export async function readHeader(
  file: OpenFile,
  path: string,
): Promise<{ readonly header: SegmentHeader; readonly start: number } | undefined> {
  let bytes = await readFully(file, 0, HEADER_BYTES);
  if (bytes.length === HEADER_BYTES && !bytes.includes(NEWLINE)) bytes = await readRest(file);
  const header = decodeHeader(bytes, path);
  return header === undefined ? undefined : { header, start: bytes.indexOf(NEWLINE) + 1 };
}

export function damagedHeader(path: string): TelltaleError {
  return new TelltaleError('STORE_CORRUPT', `expected ${path} to begin with its header, found damage at byte 0`, {
    details: { path, offset: 0 },
  });
}
