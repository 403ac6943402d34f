import { expected } from '../errors.ts';
import type { Metadata } from '../event/event.ts';
import { compileFilter } from '../filter/compile.ts';
import type { Filter } from '../filter/language.ts';
import { isOptions, unknownOption } from '../parse-options.ts';
import type { Expectation } from '../store/port.ts';

/** What a caller may say about one event beside its type and payload. */
export interface EmitOptions {
  /** A caller's own id makes retries safe: the store answers a known id with its first receipt. */
  readonly id?: string;
  /** When it happened. Default: now. */
  readonly time?: number | string | Date;
  /** Who says so: for events that are passed on or taken in from elsewhere. Default: the bus's `source`. */
  readonly source?: string;
  /** What it is about, `kind/id`. */
  readonly entity?: string;
  /** Default: that of the event being handled, otherwise the event's own id. */
  readonly correlationId?: string;
  /** Default: the event being handled. */
  readonly causationId?: string;
  readonly metadata?: Metadata;
  /** Dispatched in order, written nowhere. Default: as the type was declared. */
  readonly transient?: boolean;
  /** Default: the newest registered version, otherwise 1. */
  readonly schemaVersion?: number;
}

const KNOWN: ReadonlySet<string> = new Set([
  'id',
  'time',
  'source',
  'entity',
  'correlationId',
  'causationId',
  'metadata',
  'transient',
  'schemaVersion',
]);

/** Names of what may be said about an event. */
export const EVENT_OPTIONS: readonly string[] = [...KNOWN];

/** Options of the call itself, which are not about the event. */
const OF_THE_CALL: ReadonlySet<string> = new Set(['expect', 'signal']);

/** Refuses what is not an options object and unknown keys. Throws `INVALID_OPTION`. */
export function checkEmitOptions(options: unknown, publishing: boolean): EmitOptions | undefined {
  if (options === undefined) return undefined;
  if (!isOptions(options)) {
    throw expected('INVALID_OPTION', 'the options of an event', 'an object', options);
  }
  for (const key in options) {
    if (KNOWN.has(key) || (publishing && OF_THE_CALL.has(key))) continue;
    throw unknownOption(key, publishing ? 'publish' : 'an event', [...KNOWN, ...(publishing ? OF_THE_CALL : [])]);
  }
  const { transient, schemaVersion } = options as EmitOptions;
  if (transient !== undefined && typeof transient !== 'boolean') {
    throw expected('INVALID_OPTION', '`transient`', 'true or false', transient);
  }
  if (schemaVersion !== undefined && !(Number.isInteger(schemaVersion) && schemaVersion >= 1)) {
    throw expected('INVALID_OPTION', '`schemaVersion`', 'an integer from 1', schemaVersion);
  }
  if (publishing) checkCall(options);
  return options;
}

/** Refuses what no store could expect. Throws `INVALID_OPTION`, `INVALID_FILTER`, `INVALID_PATH`. */
export function checkExpect(expect: unknown): asserts expect is Expectation | undefined {
  if (expect === undefined || expect === 'any' || expect === 'none') return;
  if (typeof expect === 'number' && Number.isSafeInteger(expect) && expect >= 0) return;
  if (typeof expect === 'object' && expect !== null && isCondition(expect)) {
    compileFilter((expect as { readonly query: Filter }).query);
    return;
  }
  throw expected('INVALID_OPTION', '`expect`', "a revision from 0, 'none', 'any' or { query, after }", expect);
}

function checkCall({ expect, signal, transient }: { expect?: unknown; signal?: unknown; transient?: boolean }): void {
  checkExpect(expect);
  if (expect !== undefined && transient === true)
    throw expected('INVALID_OPTION', '`expect` of a transient event', 'left out', expect);
  if (signal !== undefined && !(signal instanceof AbortSignal))
    throw expected('INVALID_OPTION', '`signal`', 'an AbortSignal', signal);
}

function isCondition(expect: object): boolean {
  const { query, after, ...unknown } = expect as Readonly<Record<string, unknown>>;
  if (typeof query !== 'object' || query === null || Object.keys(unknown).length > 0) return false;
  return Number.isSafeInteger(after) && (after as number) >= 0;
}
