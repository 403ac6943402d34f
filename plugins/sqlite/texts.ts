import { isUtf8 } from 'node:buffer';
import type { SqlValue } from './driver.ts';

/**
 * Texts are read as bytes: what a driver makes of damaged ones is not told from what was written, and libsql ends the
 * process.
 */
export function asBytes(column: string): string {
  return `CAST(${column} AS BLOB) AS ${column}`;
}

/** The text of such bytes; `undefined` where they are none. */
export function textIn(given: SqlValue | undefined): string | undefined {
  if (given === null || given === undefined) return undefined;
  const bytes = bytesIn(given);
  const text = bytes.toString();
  return text.includes('\ufffd') && !isUtf8(bytes) ? undefined : text;
}

/** As much as there is of a text that may be damaged. */
export function legible(given: SqlValue | undefined): string {
  return given === null || given === undefined ? '' : bytesIn(given).toString();
}

export function bytesIn(given: SqlValue | ArrayBuffer): Buffer {
  if (Buffer.isBuffer(given)) return given;
  if (given instanceof Uint8Array) return Buffer.from(given.buffer, given.byteOffset, given.byteLength);
  // libsql answers with an ArrayBuffer.
  return Buffer.from(given as ArrayBuffer);
}
