import { ERRORS, TelltaleError, type ErrorCode } from '../errors.ts';
import type { Plain } from './event.ts';
import { toPlain } from './to-plain.ts';

type Fields = { readonly [key: string]: Plain };

const MAX_BYTES = 64 * 1024;
/** `instanceof` holds for these on the other side as well. */
const BUILT_IN: ReadonlyMap<string, ErrorConstructor> = new Map(
  [TypeError, RangeError, SyntaxError, ReferenceError, EvalError, URIError].map((kind) => [kind.name, kind]),
);
const SET_BY_HAND: ReadonlySet<string> = new Set(['name', 'message', 'stack', 'cause', 'errors']);

/** An error, or whatever else was thrown, as it goes to another thread: name, code, stack, cause and members kept. */
export function errorToPlain(thrown: unknown): Plain {
  return toPlain(thrown, { maxBytes: MAX_BYTES });
}

/** The error that `errorToPlain` was given, as far as plain data tells it; what was no error comes as it was. */
export function errorFromPlain(plain: Plain): unknown {
  if (!isError(plain)) return plain;
  const cause = plain['cause'] === undefined ? {} : { cause: errorFromPlain(plain['cause']) };
  const error = make(plain, cause);
  for (const [key, value] of Object.entries(plain)) if (!SET_BY_HAND.has(key)) set(error, key, value);
  if (error.name !== plain['name']) set(error, 'name', plain['name']);
  if (typeof plain['stack'] === 'string') set(error, 'stack', plain['stack']);
  return error;
}

function make(plain: Fields, cause: { cause?: unknown }): Error {
  const { code, details, errors } = plain;
  const message = plain['message'] as string;
  if (plain['name'] === 'TelltaleError' && typeof code === 'string' && Object.hasOwn(ERRORS, code)) {
    const about = typeof details === 'object' && details !== null ? (details as Fields) : {};
    return new TelltaleError(code as ErrorCode, message, { ...cause, details: about });
  }
  if (Array.isArray(errors)) return new AggregateError(errors.map(errorFromPlain), message, cause);
  return new (BUILT_IN.get(plain['name'] as string) ?? Error)(message, cause);
}

// As errors have them: not among what is listed.
function set(error: Error, key: string, value: unknown): void {
  const enumerable = !SET_BY_HAND.has(key);
  Object.defineProperty(error, key, { value, enumerable, configurable: true, writable: true });
}

function isError(plain: Plain): plain is Fields {
  if (typeof plain !== 'object' || plain === null || Array.isArray(plain)) return false;
  const { name, message, stack } = plain as Fields;
  return typeof name === 'string' && typeof message === 'string' && typeof stack === 'string';
}
