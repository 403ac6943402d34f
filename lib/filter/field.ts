import { expected, type ErrorCode } from '../errors.ts';
import { toTime } from '../event/identity.ts';
import type { StoredEvent, TelltaleEvent } from '../event/event.ts';
import { parsePath, readPath } from '../event/path.ts';
import { matchesPattern, parseNamePattern, parsePattern } from '../event/pattern.ts';

/** One thing an event can be asked for. */
export interface Field {
  /** As it was written: `type`, `payload.user.name`. */
  readonly path: string;
  /** `undefined` when the event has no such thing. */
  read(event: TelltaleEvent): unknown;
  /** A filter's value as it is compared with this field. Throws `INVALID_TIME`. */
  convert(value: unknown): unknown;
  /** What an equality with a wildcard means here; `undefined` for plain equality. Throws `INVALID_PATTERN`. */
  wildcard(value: unknown): ((value: unknown) => boolean) | undefined;
}

/** Fields of the envelope by name. A live event has no position, revision and storedAt. */
export const ENVELOPE_FIELDS = [
  'id',
  'type',
  'source',
  'time',
  'entity',
  'correlationId',
  'causationId',
  'schemaVersion',
  'position',
  'revision',
  'storedAt',
] as const satisfies readonly (keyof StoredEvent)[];

export type EnvelopeField = (typeof ENVELOPE_FIELDS)[number];

const ENVELOPE: ReadonlySet<string> = new Set(ENVELOPE_FIELDS);
const DATA: ReadonlySet<string> = new Set(['payload', 'metadata']);
const TIMES: ReadonlySet<string> = new Set(['time', 'storedAt']);

const MEMO_LIMIT = 1_000;

export function isEnvelopeField(path: string): path is EnvelopeField {
  return ENVELOPE.has(path);
}

/** Parses a filter's key. Throws `INVALID_PATH`, and `code` with the name of the thing for what no event has. */
export function parseField(path: string, code: ErrorCode = 'INVALID_FILTER', thing = "a filter's field"): Field {
  const segments = parsePath(path);
  if (!ENVELOPE.has(path) && !DATA.has(segments[0]!))
    throw expected(
      code,
      thing,
      `one of ${ENVELOPE_FIELDS.join(', ')}, or a path such as payload.name or metadata.userId`,
      path,
    );
  return {
    path,
    read: reader(segments),
    convert: TIMES.has(path) ? (value) => toTime(value as number | string | Date) : (value) => value,
    wildcard: WILDCARDS.get(path) ?? (() => undefined),
  };
}

const WILDCARDS: ReadonlyMap<string, Field['wildcard']> = new Map([
  ['type', patternOf(parsePattern)],
  ['source', patternOf(parseNamePattern)],
  ['entity', kindOf],
]);

function reader(segments: readonly string[]): Field['read'] {
  const [name, key] = segments as [keyof TelltaleEvent, string | undefined];
  if (key === undefined) return (event) => event[name];
  return (event) => readPath(event, segments);
}

function patternOf(parse: typeof parsePattern): Field['wildcard'] {
  return (value) => {
    if (typeof value !== 'string' || !value.includes('*')) return undefined;
    const pattern = parse(value);
    // Types and sources repeat; taking them apart each time costs ten times the look-up.
    const known = new Map<unknown, boolean>();
    return (actual) => {
      const answer = known.get(actual);
      if (answer !== undefined) return answer;
      if (known.size >= MEMO_LIMIT) known.clear();
      const matches = typeof actual === 'string' && matchesPattern(pattern, actual);
      known.set(actual, matches);
      return matches;
    };
  };
}

function kindOf(value: unknown): ((value: unknown) => boolean) | undefined {
  if (typeof value !== 'string' || !/^[^/]+\/\*$/.test(value)) return undefined;
  const prefix = value.slice(0, -1);
  return (actual) => typeof actual === 'string' && actual.startsWith(prefix);
}
