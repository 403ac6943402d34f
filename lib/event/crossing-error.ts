import { types } from 'node:util';
import { ERRORS, TelltaleError, type ErrorCode } from '../errors.ts';
import type { Plain } from './event.ts';
import { toPlain } from './to-plain.ts';

type Fields = { readonly [key: string]: Plain };
type Told = { [key: string]: Plain };

/** Errors that are told of one, causes and members at any depth; how many members were left out is said in their place. */
const MAX_ERRORS = 100;
const MAX_DEPTH = 16;
const MAX_TEXT = 8_192;
const MAX_NAME = 256;
/** Of an error's own fields: of the outermost, and of any other. */
const FIELDS_BYTES = 32 * 1024;
const INNER_FIELDS_BYTES = 4 * 1024;
/** `instanceof` holds for these on the other side as well. */
const BUILT_IN: ReadonlyMap<string, ErrorConstructor> = new Map(
  [TypeError, RangeError, SyntaxError, ReferenceError, EvalError, URIError].map((kind) => [kind.name, kind]),
);
const SET_BY_HAND: ReadonlySet<string> = new Set(['name', 'message', 'stack', 'cause', 'errors']);

/**
 * Whatever was thrown, as it goes to another thread. Of an error: name, code, message, stack, causes and members, each
 * bounded for itself, so that a large one takes no room from the others; then its own fields. What is no error is plain
 * data, and `undefined` stays undefined.
 */
export function errorToPlain(thrown: unknown): Plain {
  return new Teller().tell(thrown, MAX_DEPTH) ?? {};
}

/** What `errorToPlain` was given, as far as plain data tells it. */
export function errorFromPlain(plain: Plain): unknown {
  if (!isFields(plain)) return plain;
  const { error } = plain;
  return isFields(error) ? fromFields(error) : plain['thrown'];
}

/** Counts what it tells; `#inside` are the errors it is within. */
class Teller {
  readonly #inside = new Set<unknown>();
  #left = MAX_ERRORS;

  tell(thrown: unknown, depth: number): Plain {
    if (thrown === undefined) return {};
    if (!isError(thrown)) return { thrown: toPlain(thrown, { maxBytes: FIELDS_BYTES }) };
    if (this.#inside.has(thrown)) return { thrown: '[circular]' };
    if (depth === 0) return { thrown: '[too deep]' };
    this.#left--;
    this.#inside.add(thrown);
    const error = this.#fields(thrown, depth);
    this.#inside.delete(thrown);
    return { error };
  }

  #fields(thrown: object, depth: number): Fields {
    const told: Told = { name: textOf(thrown, 'name', MAX_NAME) ?? 'Error', message: textOf(thrown, 'message') ?? '' };
    const [code, stack] = [textOf(thrown, 'code', MAX_NAME), textOf(thrown, 'stack')];
    if (code !== undefined) told['code'] = code;
    if (stack !== undefined) told['stack'] = stack;
    const cause = read(thrown, 'cause');
    if (cause !== undefined) told['cause'] = this.tell(cause, depth - 1);
    const members = read(thrown, 'errors');
    if (Array.isArray(members)) told['errors'] = this.#members(members, depth - 1);
    const own = ownFields(thrown, Object.keys(told));
    return { ...toPlainFields(own, depth === MAX_DEPTH ? FIELDS_BYTES : INNER_FIELDS_BYTES), ...told };
  }

  #members(members: readonly unknown[], depth: number): Plain[] {
    const told: Plain[] = [];
    for (const [i, member] of members.entries()) {
      if (this.#left <= 0) return [...told, { thrown: `[cut: ${i} of ${members.length} members]` }];
      told.push(this.tell(member, depth));
    }
    return told;
  }
}

function isError(thrown: unknown): thrown is Error {
  try {
    return types.isNativeError(thrown) || thrown instanceof Error;
  } catch {
    return false;
  }
}

function read(from: object, name: string): unknown {
  try {
    return Reflect.get(from, name) as unknown;
  } catch {
    return '[unreadable]';
  }
}

function textOf(error: object, name: string, max = MAX_TEXT): string | undefined {
  const value = read(error, name);
  if (typeof value !== 'string') return undefined;
  const text = toPlain(value.slice(0, max)) as string;
  return value.length <= max ? text : `${text}… [cut: ${max} of ${value.length} characters]`;
}

function ownFields(error: object, told: readonly string[]): Readonly<Record<string, unknown>> {
  let keys: readonly string[] = [];
  try {
    keys = Object.keys(error);
  } catch {
    // A proxy that does not tell.
  }
  return Object.fromEntries(keys.filter((key) => !told.includes(key)).map((key) => [key, read(error, key)]));
}

function toPlainFields(fields: Readonly<Record<string, unknown>>, maxBytes: number): Fields {
  return toPlain(fields, { maxBytes }) as Fields;
}

function fromFields(told: Fields): Error {
  const cause = told['cause'] === undefined ? {} : { cause: errorFromPlain(told['cause']) };
  const error = make(told, cause);
  for (const [key, value] of Object.entries(told)) if (!SET_BY_HAND.has(key)) set(error, key, value);
  if (error.name !== told['name']) set(error, 'name', told['name']);
  if (typeof told['stack'] === 'string') set(error, 'stack', told['stack']);
  return error;
}

function make({ name, message, code, details, errors }: Fields, cause: { cause?: unknown }): Error {
  const text = typeof message === 'string' ? message : '';
  if (name === 'TelltaleError' && typeof code === 'string' && Object.hasOwn(ERRORS, code))
    return new TelltaleError(code as ErrorCode, text, { ...cause, details: isFields(details) ? details : {} });
  if (Array.isArray(errors)) return new AggregateError(errors.map(errorFromPlain), text, cause);
  return new (BUILT_IN.get(name as string) ?? Error)(text, cause);
}

// As errors have them: not among what is listed.
function set(error: Error, key: string, value: unknown): void {
  const enumerable = !SET_BY_HAND.has(key);
  Object.defineProperty(error, key, { value, enumerable, configurable: true, writable: true });
}

function isFields(plain: Plain | undefined): plain is Fields {
  return typeof plain === 'object' && plain !== null && !Array.isArray(plain);
}
