import { expected, TelltaleError } from '../errors.ts';

const MAX_LENGTH = 512;
const MAX_SEGMENTS = 32;
const FORBIDDEN: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);
const INDEX = /^(?:0|[1-9]\d{0,9})$/;

/**
 * Splits a dotted path (`payload.items.0.name`) into its keys. Throws `INVALID_PATH` for anything but 1 to 32
 * non-empty keys, and for keys that lead to a prototype.
 */
export function parsePath(path: unknown): readonly string[] {
  if (typeof path !== 'string' || path.length === 0 || path.length > MAX_LENGTH)
    throw expected('INVALID_PATH', 'a path', `a dotted string of 1 to ${MAX_LENGTH} characters`, path);
  const segments = path.split('.');
  if (segments.length > MAX_SEGMENTS || segments.includes(''))
    throw expected('INVALID_PATH', 'a path', `1 to ${MAX_SEGMENTS} non-empty keys joined by dots`, path);
  const forbidden = segments.find((segment) => FORBIDDEN.has(segment));
  if (forbidden !== undefined)
    throw new TelltaleError('INVALID_PATH', `expected a path without \`${forbidden}\`, got ${JSON.stringify(path)}`, {
      details: { path, key: forbidden },
    });
  return segments;
}

/** What lies at the path: own properties of objects and elements of arrays only; `undefined` when there is nothing. */
export function readPath(target: unknown, segments: readonly string[]): unknown {
  let value = target;
  for (const segment of segments) {
    if (typeof value !== 'object' || value === null) return undefined;
    // `length` is an array's own property in JavaScript and nothing at all in JSON.
    if (Array.isArray(value) && !INDEX.test(segment)) return undefined;
    if (!Object.hasOwn(value, segment)) return undefined;
    value = (value as Readonly<Record<string, unknown>>)[segment];
  }
  return value;
}
