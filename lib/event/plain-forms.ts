import { types } from 'node:util';

type Field = readonly [name: string, read: () => unknown];

/** The text that stands for an object; undefined where it needs more than text. */
export function textOf(value: object): string | undefined {
  if (types.isDate(value)) return dateText(value);
  if (types.isRegExp(value)) return RegExp.prototype.toString.call(value);
  return value instanceof URL ? value.href : undefined;
}

/** BigInt as digits, symbols and functions by their names. May throw where a proxy does. */
export function nameOf(value: bigint | symbol | object): string {
  if (typeof value === 'bigint') return String(value);
  return typeof value === 'symbol' ? `[${String(value)}]` : functionText(value);
}

export function isBytes(value: object): value is ArrayBuffer | ArrayBufferView {
  return types.isAnyArrayBuffer(value) || types.isUint8Array(value) || types.isDataView(value);
}

/** The first bytes that fit into `room` characters of base64, and how many there are in all. */
export function bytesToPlain(value: ArrayBuffer | ArrayBufferView, room: number): { base64: string; bytes: number } {
  const bytes = value.byteLength;
  const kept = Math.min(bytes, Math.floor(room / 4) * 3);
  const view = ArrayBuffer.isView(value)
    ? Buffer.from(value.buffer, value.byteOffset, kept)
    : Buffer.from(value, 0, kept);
  return { base64: view.toString('base64'), bytes };
}

/** Sets and typed arrays; undefined for anything else. */
export function listOf(value: object): ArrayLike<unknown> | undefined {
  if (types.isSet(value)) return [...Set.prototype.values.call(value)] as unknown[];
  return types.isTypedArray(value) ? value : undefined;
}

/** What an error says, first what everybody looks for, then its own fields. */
export function errorFields(error: object): Field[] {
  const told = ['name', 'message', 'code', 'stack', 'cause', 'errors'].filter((name) => has(error, name));
  const own = Object.keys(error).filter((name) => !told.includes(name));
  return [...told, ...own].map((name) => [name, () => Reflect.get(error, name) as unknown]);
}

// In doubt the field is tried, and shows as unreadable.
function has(error: object, name: string): boolean {
  try {
    return Reflect.get(error, name) !== undefined;
  } catch {
    return true;
  }
}

function functionText(value: object): string {
  const name: unknown = Reflect.get(value, 'name');
  return typeof name === 'string' && name !== '' ? `[function ${name.slice(0, 100)}]` : '[function]';
}

function dateText(date: Date): string {
  const time = Date.prototype.getTime.call(date);
  return Number.isNaN(time) ? '[invalid date]' : new Date(time).toISOString();
}
