import { expected, type TelltaleError } from '../errors.ts';
import type { FilterValue } from './language.ts';

const MAX_DEPTH = 100;

const MAX_VALUES = 100_000;
const PLAIN = 'plain data: null, a boolean, a finite number, a string, an array or an object';

/** What a filter accepts as a value: a copy of plain data, so that the caller may go on changing its own object. */
export function checkValue(value: unknown, place: string): unknown {
  // A value that contains itself twice would otherwise be copied for ever before it is too deep.
  let left = MAX_VALUES;
  const copy = (part: unknown, at: string, depth: number): unknown => {
    if (isScalar(part)) return part;
    if (depth > MAX_DEPTH || left <= 0)
      throw expected('INVALID_FILTER', at, `at most ${MAX_DEPTH} levels and ${MAX_VALUES} values`, part);
    if (Array.isArray(part)) {
      left -= part.length;
      return part.map((element, index) => copy(element, `${at}[${index}]`, depth + 1));
    }
    if (!isPlainObject(part)) throw expected('INVALID_FILTER', at, PLAIN, part);
    const entries = Object.entries(part);
    left -= entries.length;
    return Object.fromEntries(entries.map(([key, member]) => [key, copy(member, `${at}.${key}`, depth + 1)]));
  };
  return copy(value, place, 1);
}

export function checkScalar(value: unknown, place: string): FilterValue {
  if (isScalar(value)) return value;
  throw expected('INVALID_FILTER', place, 'null, a boolean, a finite number or a string', value);
}

export function checkList(value: unknown, place: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw expected('INVALID_FILTER', place, 'an array', value);
}

export function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** The refusal of an operator or key nobody knows. */
export function unknownOperator(name: string, place: string, known: readonly string[]): TelltaleError {
  return expected('INVALID_FILTER', `an operator ${place}`, `one of ${known.join(', ')}`, name);
}

function isScalar(value: unknown): value is FilterValue {
  if (typeof value === 'number') return Number.isFinite(value);
  return value === null || typeof value === 'boolean' || typeof value === 'string';
}
