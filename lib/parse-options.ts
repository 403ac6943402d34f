import type { z } from 'zod';
import { TelltaleError, expected, type ErrorCode } from './errors.ts';

/**
 * Runs a strict zod schema over the options of `of`. Throws one `INVALID_OPTION` for the first thing that is wrong:
 * its name, what was expected, what came. A schema's own message is the expectation: `z.int('an integer from 1')`.
 */
export function parseWith<T>(schema: z.ZodType<T>, value: unknown, of: string): T {
  const odd = oddAt(schema, value);
  if (odd !== undefined) throw wanted(odd, of, PLAIN, value);
  const result = schema.safeParse(value, { error: describeIssue });
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  const path = issue.path.map(String);
  if (issue.code === 'unrecognized_keys')
    throw unknownOption([...path, issue.keys[0]!].join('.'), of, keysAt(schema, path));
  throw wanted(path, of, issue.message, value);
}

/** Refuses what is no plain object, and a key that `of` does not know. Throws `code`. */
export function mustKnow(
  options: unknown,
  known: readonly string[],
  of: string,
  code?: ErrorCode,
): asserts options is object {
  if (!isOptions(options)) throw expected(code ?? 'INVALID_OPTION', `the options of ${of}`, PLAIN, options);
  for (const key of Object.keys(options)) if (!known.includes(key)) throw unknownOption(key, of, known, code);
}

/** Whether something is an object of no class: of a Map or a Date nothing would be read, and nothing said. */
export function isOptions(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  for (let at: unknown = Object.getPrototypeOf(value); at !== null; at = Object.getPrototypeOf(at))
    // The one of objects is not the same everywhere: a vm context has its own.
    if (Object.hasOwn(at as object, 'constructor') && !Object.hasOwn(at as object, 'isPrototypeOf')) return false;
  return true;
}

export const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 1;

/** `undefined`, or what can end a call. Throws `code`. */
export function checkSignal(signal: unknown, of: string, code: ErrorCode = 'INVALID_OPTION'): AbortSignal | undefined {
  if (signal === undefined || signal instanceof AbortSignal) return signal;
  throw expected(code, `\`signal\` of ${of}`, 'an AbortSignal', signal);
}

/** "`foo` is not an option of emit (known: id, time)". */
export function unknownOption(
  name: string,
  of: string,
  known: readonly string[],
  code: ErrorCode = 'INVALID_OPTION',
): TelltaleError {
  const text = `\`${name}\` is not an option of ${of} (known: ${known.join(', ')})`;
  return new TelltaleError(code, text, { details: { option: name, known } });
}

const PLAIN = 'a plain object';

const TYPES: Readonly<Record<string, string>> = {
  string: 'a string',
  number: 'a number',
  int: 'an integer',
  boolean: 'true or false',
  array: 'an array',
  object: 'an object',
};

// Where a schema says nothing itself: zod's own sentences do not fit behind "expected `x` to be".
function describeIssue(issue: z.core.$ZodRawIssue): string {
  if (issue.code === 'invalid_type') return TYPES[issue.expected] ?? issue.expected;
  if (issue.code === 'invalid_value') return `one of ${issue.values.map((word) => `'${String(word)}'`).join(', ')}`;
  if (issue.code === 'too_small') return `at least ${issue.minimum}${unitOf(issue.origin)}`;
  if (issue.code === 'too_big') return `at most ${issue.maximum}${unitOf(issue.origin)}`;
  return 'something else';
}

function unitOf(origin: string): string {
  if (origin === 'string') return ' characters long';
  return origin === 'array' ? ' items long' : '';
}

function wanted(path: readonly string[], of: string, expectation: string, value: unknown): TelltaleError {
  const thing = path.length === 0 ? `the options of ${of}` : `\`${path.join('.')}\` of ${of}`;
  const details = { option: path.join('.') };
  return expected('INVALID_OPTION', thing, expectation, valueAt(value, path), { details });
}

/** Where an object of a class is given for options. */
function oddAt(schema: unknown, value: unknown, path: readonly string[] = []): readonly string[] | undefined {
  const shape = Object.entries(shapeOf(schema));
  if (shape.length === 0 || typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  if (!isOptions(value)) return path;
  for (const [key, inner] of shape) {
    const odd = oddAt(inner, (value as Readonly<Record<string, unknown>>)[key], [...path, key]);
    if (odd !== undefined) return odd;
  }
  return undefined;
}

/** The keys of the object schema at this path, through what is optional or has a default. */
function keysAt(schema: z.ZodType, path: readonly string[]): readonly string[] {
  let at: unknown = schema;
  for (const key of path) at = shapeOf(at)[key];
  return Object.keys(shapeOf(at));
}

function shapeOf(schema: unknown): Readonly<Record<string, unknown>> {
  let at = schema as { readonly shape?: Readonly<Record<string, unknown>>; unwrap?(): typeof at } | undefined;
  while (at && !at.shape && at.unwrap) at = at.unwrap();
  return at?.shape ?? {};
}

function valueAt(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((at, key) => (at as Readonly<Record<string, unknown>> | undefined)?.[key], value);
}
