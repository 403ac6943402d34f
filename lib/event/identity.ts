import { expected } from '../errors.ts';
import { isWellFormed } from './well-formed.ts';

const MAX_ID_BYTES = 256;
const MAX_ENTITY_BYTES = 512;
const KIND = /^\$?[A-Za-z0-9_.-]+$/;
const MAX_MS = 8.64e15;
const ISO =
  /^(\d{4})-(\d\d)-(\d\d)T([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d)(?:[.,](\d{1,9}))?)?(Z|([+-])([01]\d|2[0-3]):?([0-5]\d))$/;

/** Well-formed, 1 to 256 bytes in UTF-8: what ids and sources must be. */
export function isId(value: unknown): value is string {
  return isText(value, MAX_ID_BYTES);
}

/** A caller's event id, or another one that `name` says: well-formed, 1 to 256 bytes in UTF-8. Throws `INVALID_ID`. */
export function checkId(id: unknown, name = 'the event id'): string {
  if (isId(id)) return id;
  throw expected('INVALID_ID', name, 'a well-formed string of 1 to 256 bytes', id);
}

/**
 * `kind/id` in at most 512 bytes: the kind is letters, digits, `_`, `.` and `-`, the id anything well-formed, slashes
 * too. A kind that begins with `$` is the bus's own (see `isReserved`). Throws `INVALID_ENTITY`.
 */
export function checkEntity(entity: unknown, form = '"kind/id"'): string {
  if (isText(entity, MAX_ENTITY_BYTES)) {
    const slash = entity.indexOf('/');
    if (slash > 0 && slash < entity.length - 1 && KIND.test(entity.slice(0, slash))) return entity;
  }
  throw expected('INVALID_ENTITY', 'the entity', `${form} in at most 512 bytes`, entity);
}

/** What comes before the first `/`. */
export function entityKind(entity: string): string {
  const slash = entity.indexOf('/');
  return slash < 0 ? entity : entity.slice(0, slash);
}

/**
 * Epoch ms with fractions, from ms, a Date, or an ISO 8601 string with a zone (`2026-01-31T12:00:00.123456Z`; digits
 * after the milliseconds are kept). Throws `INVALID_TIME`; a string without zone is refused, because it means another
 * time on another machine.
 */
export function toTime(value: number | string | Date): number {
  const time = read(value);
  if (time !== undefined && Math.abs(time) <= MAX_MS) return time === 0 ? 0 : time;
  throw expected('INVALID_TIME', 'the time', 'epoch milliseconds, a Date or an ISO string with zone', value);
}

function isText(value: unknown, maxBytes: number): value is string {
  if (typeof value !== 'string' || value.length === 0 || value.length > maxBytes) return false;
  return isWellFormed(value) && Buffer.byteLength(value) <= maxBytes;
}

function read(value: unknown): number | undefined {
  if (typeof value === 'number') return value;
  if (typeof value === 'string') return readIso(value);
  return value instanceof Date ? value.getTime() : undefined;
}

function readIso(text: string): number | undefined {
  const match = ISO.exec(text);
  if (!match) return undefined;
  const [, year, month, day, hour, minute, second = '0', fraction = '0', , sign, zoneHour = '0', zoneMinute = '0'] =
    match;
  const date = new Date(0);
  date.setUTCFullYear(Number(year), Number(month) - 1, Number(day));
  // Without this check the 30th of February would silently be the 2nd of March.
  if (date.getUTCMonth() !== Number(month) - 1 || date.getUTCDate() !== Number(day)) return undefined;
  const zone = (Number(zoneHour) * 60 + Number(zoneMinute)) * (sign === '-' ? -60_000 : 60_000);
  const ofDay = (Number(hour) * 60 + Number(minute)) * 60_000 + Number(second) * 1_000;
  return date.getTime() + ofDay - zone + fractionMs(fraction);
}

// Whole milliseconds are read as an integer, so that .057 is 57 and not 57.00000000000001.
function fractionMs(digits: string): number {
  return Number(`${digits.slice(0, 3).padEnd(3, '0')}.${digits.slice(3)}`);
}
