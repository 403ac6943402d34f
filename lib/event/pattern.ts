import { show, TelltaleError } from '../errors.ts';

/** A parsed pattern over dotted names. */
export interface Pattern {
  /** As it was written. */
  readonly text: string;
  /** Runs of `**` are one `**`, which means the same. */
  readonly segments: readonly string[];
  /** Without wildcards: matches the one type it names. */
  readonly exact: boolean;
}

const MAX_LENGTH = 256;
const MAX_SEGMENTS = 16;
const SEGMENT = /^[A-Za-z0-9_-]+$/;
const FIRST_SEGMENT = /^\$?[A-Za-z0-9_-]+$/;
const EXPECTATION = `1 to ${MAX_SEGMENTS} dotted segments of letters, digits, _ and -, in which * and ** stand alone`;

/**
 * Parses a pattern over event types: `*` is one whole segment, `**` zero or more. Neither ever stands for the first
 * segment of a type that begins with `$`: write `$bus.**`. Throws `INVALID_PATTERN`.
 */
export function parsePattern(pattern: unknown): Pattern {
  return parse(pattern, (segment, index) => (index === 0 ? FIRST_SEGMENT : SEGMENT).test(segment));
}

/**
 * Parses a pattern over names that are freer than types, as sources are: a segment is any text without `*`.
 * Throws `INVALID_PATTERN`.
 */
export function parseNamePattern(pattern: unknown): Pattern {
  return parse(pattern, (segment) => segment !== '' && !segment.includes('*'));
}

/** Whether the pattern covers the whole type. */
export function matchesPattern(pattern: Pattern, type: string): boolean {
  if (pattern.exact) return pattern.text === type;
  const first = pattern.segments[0]!;
  if (type.startsWith('$') && isWildcard(first)) return false;
  return matchSegments(pattern.segments, type.split('.'));
}

function isWildcard(segment: string): boolean {
  return segment === '*' || segment === '**';
}

function parse(pattern: unknown, accepts: (segment: string, index: number) => boolean): Pattern {
  if (typeof pattern !== 'string' || pattern === '') throw refused(pattern, '');
  if (pattern.length > MAX_LENGTH) throw refused(pattern, `: ${pattern.length} characters of ${MAX_LENGTH}`);
  const segments = pattern.split('.');
  if (segments.length > MAX_SEGMENTS) throw refused(pattern, `: ${segments.length} segments`);
  const bad = segments.findIndex((segment, index) => !isWildcard(segment) && !accepts(segment, index));
  if (bad >= 0) throw refused(pattern, `: segment ${bad + 1} is ${JSON.stringify(segments[bad])}`);
  return {
    text: pattern,
    segments: segments.filter((segment, index) => segment !== '**' || segments[index - 1] !== '**'),
    exact: !segments.some(isWildcard),
  };
}

function refused(pattern: unknown, remark: string): TelltaleError {
  const message = `expected the pattern to be ${EXPECTATION}, got ${show(pattern)}${remark}`;
  return new TelltaleError('INVALID_PATTERN', message, { details: { pattern } });
}

// The two pointers of wildcard.ts over segments: `**` is its star, `*` its question mark.
function matchSegments(pattern: readonly string[], type: readonly string[]): boolean {
  let p = 0;
  let t = 0;
  let afterStars = -1;
  let retry = 0;
  while (t < type.length) {
    const want = pattern[p];
    if (want === '**') {
      afterStars = ++p;
      retry = t;
    } else if (want === '*' || want === type[t]) {
      p++;
      t++;
    } else if (afterStars >= 0) {
      p = afterStars;
      t = ++retry;
    } else return false;
  }
  if (pattern[p] === '**') p++;
  return p === pattern.length;
}
