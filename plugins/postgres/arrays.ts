/** Arrays in PostgreSQL's binary form: no text is quoted, escaped or parsed on the way. */

const [TEXT, FLOAT8, INT4, INT8] = [25, 701, 23, 20];
/** Dimensions, a flag for nulls, the type, the length, the lower bound. */
const HEADER = 20;
const NULL = -1;

export function textArray(values: readonly (string | null)[]): Buffer {
  const lengths: number[] = [];
  let size = HEADER;
  let hasNull = 0;
  for (const value of values) {
    if (value === null) hasNull = 1;
    const length = value === null ? NULL : Buffer.byteLength(value);
    lengths.push(length);
    size += 4 + Math.max(0, length);
  }
  const buffer = begin(size, TEXT, values.length, hasNull);
  let at = HEADER;
  for (let i = 0; i < values.length; i++) {
    const length = lengths[i]!;
    at = buffer.writeInt32BE(length, at);
    if (length > 0) at += buffer.write(values[i]!, at, length, 'utf8');
  }
  return buffer;
}

export function floatArray(values: readonly number[]): Buffer {
  const buffer = begin(HEADER + values.length * 12, FLOAT8, values.length, 0);
  let at = HEADER;
  for (const value of values) at = buffer.writeDoubleBE(value, buffer.writeInt32BE(8, at));
  return buffer;
}

export function intArray(values: readonly number[]): Buffer {
  const buffer = begin(HEADER + values.length * 8, INT4, values.length, 0);
  let at = HEADER;
  for (const value of values) at = buffer.writeInt32BE(value, buffer.writeInt32BE(4, at));
  return buffer;
}

/** Safe integers as bigint. */
export function bigintArray(values: readonly number[]): Buffer {
  const buffer = begin(HEADER + values.length * 12, INT8, values.length, 0);
  let at = HEADER;
  for (const value of values) at = buffer.writeBigInt64BE(BigInt(value), buffer.writeInt32BE(8, at));
  return buffer;
}

function begin(size: number, type: number, length: number, hasNull: number): Buffer {
  const buffer = Buffer.allocUnsafe(size);
  buffer.writeInt32BE(1, 0);
  buffer.writeInt32BE(hasNull, 4);
  buffer.writeInt32BE(type, 8);
  buffer.writeInt32BE(length, 12);
  buffer.writeInt32BE(1, 16);
  return buffer;
}
