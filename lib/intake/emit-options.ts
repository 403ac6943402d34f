import { expected } from '../errors.ts';
import type { Metadata } from '../event/event.ts';

/** What a caller may say about one event beside its type and payload. */
export interface EmitOptions {
  /** A caller's own id makes retries safe: the store answers a known id with its first receipt. */
  readonly id?: string;
  /** When it happened. Default: now. */
  readonly time?: number | string | Date;
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
  'entity',
  'correlationId',
  'causationId',
  'metadata',
  'transient',
  'schemaVersion',
]);

/** Options of the call itself, which are not about the event. */
const OF_THE_CALL: ReadonlySet<string> = new Set(['expect', 'signal']);

/** Refuses what is not an options object and unknown keys. Throws `INVALID_OPTION`. */
export function checkEmitOptions(options: unknown, publishing: boolean): EmitOptions | undefined {
  if (options === undefined) return undefined;
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw expected('INVALID_OPTION', 'the options of an event', 'an object', options);
  }
  for (const key in options) {
    if (KNOWN.has(key) || (publishing && OF_THE_CALL.has(key))) continue;
    const list = [...KNOWN, ...(publishing ? OF_THE_CALL : [])].join(', ');
    throw expected(
      'INVALID_OPTION',
      `the option \`${key}\``,
      `one of ${list}`,
      (options as Record<string, unknown>)[key],
    );
  }
  const { transient, schemaVersion } = options as EmitOptions;
  if (transient !== undefined && typeof transient !== 'boolean') {
    throw expected('INVALID_OPTION', '`transient`', 'true or false', transient);
  }
  if (schemaVersion !== undefined && !(Number.isInteger(schemaVersion) && schemaVersion >= 1)) {
    throw expected('INVALID_OPTION', '`schemaVersion`', 'an integer from 1', schemaVersion);
  }
  return options;
}
