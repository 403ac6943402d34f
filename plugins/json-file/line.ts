import { crc32 } from 'node:zlib';

/**
 * Every line this store writes is one JSON object that begins with its own checksum:
 * `{"crc":"xxxxxxxx",` … `}` newline. The CRC32 covers every byte behind that prefix up to the newline, so `jq` and
 * `grep` read the files as they are.
 */
export const PREFIX_BYTES = 18;
/** Where the checksum is in a line. */
export const SEAL_AT = 8;
export const SEAL_BYTES = 8;
const OPENING = Buffer.from('{"crc":"');
const CLOSING = Buffer.from('",');
export const NEWLINE = 10;

const HEX = '0123456789abcdef';

/** A line for `json`, an object's JSON text with at least one key. */
export function encodeLine(json: string): Buffer {
  const bytes = Buffer.from(`{"crc":"00000000",${json.slice(1)}\n`);
  sealLine(bytes, 0, bytes.length);
  return bytes;
}

/** Puts the checksum into the line at `start`, whose newline is the byte before `end`. */
export function sealLine(bytes: Buffer, start: number, end: number): void {
  let crc = crc32(bytes.subarray(start + PREFIX_BYTES, end - 1));
  for (let i = start + 15; i >= start + 8; i--) {
    bytes[i] = HEX.charCodeAt(crc & 15);
    crc >>>= 4;
  }
}

/** Whether the bytes from `start` to `end`, the newline not included, are a line as it was written. */
export function isIntact(bytes: Buffer, start: number, end: number): boolean {
  if (end - start <= PREFIX_BYTES || !startsLikeALine(bytes, start)) return false;
  const written = readHex(bytes, start + 8);
  return written >= 0 && written === crc32(bytes.subarray(start + PREFIX_BYTES, end));
}

/** The object of an intact line without its checksum; `undefined` when it is not intact. */
export function decodeLine(
  bytes: Buffer,
  start = 0,
  end = endOfLine(bytes, start),
): Record<string, unknown> | undefined {
  if (!isIntact(bytes, start, end)) return undefined;
  const { crc: _, ...rest } = JSON.parse(bytes.toString('utf8', start, end)) as Record<string, unknown>;
  return rest;
}

function endOfLine(bytes: Buffer, start: number): number {
  const found = bytes.indexOf(NEWLINE, start);
  return found < 0 ? bytes.length : found;
}

function startsLikeALine(bytes: Buffer, start: number): boolean {
  for (let i = 0; i < OPENING.length; i++) if (bytes[start + i] !== OPENING[i]) return false;
  return bytes[start + 16] === CLOSING[0] && bytes[start + 17] === CLOSING[1];
}

// Strict on purpose: parseInt would take 'A' for 'a', and a flipped bit would pass.
function readHex(bytes: Buffer, start: number): number {
  let value = 0;
  for (let i = start; i < start + 8; i++) {
    const byte = bytes[i]!;
    const digit = byte >= 48 && byte <= 57 ? byte - 48 : byte >= 97 && byte <= 102 ? byte - 87 : -1;
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}
