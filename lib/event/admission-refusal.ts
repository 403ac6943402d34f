import { show, TelltaleError, toError, type ErrorCode } from '../errors.ts';
import { findLargest } from './largest-path.ts';

export interface Refusal {
  readonly kind:
    | 'bad-string'
    | 'bad-number'
    | 'not-plain'
    | 'not-object'
    | 'forbidden-key'
    | 'too-deep'
    | 'too-large'
    | 'threw';
  /** Where, within the innermost parent; undefined is that parent itself. */
  readonly key: string | number | undefined;
  readonly value: unknown;
}

/** Where a walk stood when it stopped: it is inside `parents[0..depth)`, entered by `keys[0..depth)`. */
export interface Standing {
  readonly root: string;
  readonly value: unknown;
  readonly maxBytes: number;
  /** Estimated so far. */
  readonly bytes: number;
  readonly parents: readonly unknown[];
  readonly keys: readonly (string | number | undefined)[];
  readonly depth: number;
}

const REMEDY = 'use toPlain(value)';

/** The error that says where the walk stopped, what is there and what helps. */
export function refusal(found: Refusal, at: Standing, thrown: unknown): TelltaleError {
  const path = pathOf(at, at.depth) + segment(found.key);
  if (found.kind === 'too-deep' || found.kind === 'too-large') {
    return cycle(found, at) ?? (found.kind === 'too-large' ? tooLarge(at) : tooDeep(at, path));
  }
  if (found.kind === 'threw') return threw(path, thrown);
  const [code, text] = TEXTS[found.kind];
  return new TelltaleError(code, `${path} ${text(found.value)}`, { details: { path } });
}

/** The path as an error text has it: `payload.items[3]["a key"]`. */
export function segment(key: string | number | undefined): string {
  if (key === undefined) return '';
  if (typeof key === 'number') return `[${key}]`;
  const short = key.length > 60 ? `${key.slice(0, 60)}…` : key;
  return /^[A-Za-z_$][\w$]*$/.test(short) ? `.${short}` : `[${JSON.stringify(short)}]`;
}

type Text = (value: unknown) => string;

const TEXTS: Readonly<Record<Exclude<Refusal['kind'], 'too-deep' | 'too-large' | 'threw'>, [ErrorCode, Text]>> = {
  'bad-string': ['PAYLOAD_BAD_STRING', (value) => `holds ${badCharacter(String(value))}; ${REMEDY}`],
  'bad-number': ['PAYLOAD_BAD_NUMBER', (value) => `is ${String(value)}, which JSON cannot hold; ${REMEDY}`],
  'not-plain': ['PAYLOAD_NOT_PLAIN', (value) => `is ${describe(value)}, not plain data; ${REMEDY}`],
  'not-object': ['PAYLOAD_NOT_PLAIN', (value) => `is ${describe(value)}, expected an object`],
  'forbidden-key': ['PAYLOAD_FORBIDDEN_KEY', () => 'is a forbidden key: it could reach a prototype; rename it'],
};

function tooDeep(at: Standing, path: string): TelltaleError {
  const start = `${path.slice(0, 80)}…`;
  const message = `${at.root} is nested deeper than ${at.depth} levels, at ${start}; ${REMEDY}`;
  return new TelltaleError('PAYLOAD_TOO_DEEP', message, { details: { path, limit: at.depth } });
}

function tooLarge(at: Standing): TelltaleError {
  const { segments, bytes, total: looked, complete } = findLargest(at.value);
  const total = Math.max(looked, at.bytes);
  const path = at.root + segments.map(segment).join('');
  const share = segments.length === 0 ? '' : `, most of it in ${path} (${inBytes(bytes)})`;
  const message = `${at.root} has ${complete ? '' : 'over '}${inBytes(total)}, the limit is ${inBytes(at.maxBytes)}${share}; store it elsewhere and send a reference, or raise the limit`;
  return new TelltaleError('PAYLOAD_TOO_LARGE', message, { details: { path, bytes, total, limit: at.maxBytes } });
}

// A cycle shows as depth or as size. Telling it apart only then keeps the search for it off the usual way.
function cycle(found: Refusal, at: Standing): TelltaleError | undefined {
  const inside = [...at.parents.slice(0, at.depth), found.value];
  const keys = [...at.keys.slice(0, at.depth), found.key];
  for (let i = 1; i < inside.length; i++) {
    const first = inside.indexOf(inside[i]);
    if (first === i || typeof inside[i] !== 'object') continue;
    const path =
      at.root +
      keys
        .slice(1, i + 1)
        .map(segment)
        .join('');
    const same =
      at.root +
      keys
        .slice(1, first + 1)
        .map(segment)
        .join('');
    return new TelltaleError('PAYLOAD_CYCLE', `${path} contains itself: it is ${same} again; ${REMEDY}`, {
      details: { path, same },
    });
  }
  return undefined;
}

function threw(path: string, thrown: unknown): TelltaleError {
  const cause = toError(thrown);
  const message = `${path} cannot be read: a getter or a proxy threw; ${REMEDY}`;
  return new TelltaleError('PAYLOAD_NOT_PLAIN', message, { cause, details: { path } });
}

function pathOf(at: Standing, depth: number): string {
  // keys[0] is how the root was entered: not a key.
  return at.root + at.keys.slice(1, depth).map(segment).join('');
}

function badCharacter(text: string): string {
  const nul = text.indexOf('\0');
  return nul >= 0 ? `NUL at index ${nul}` : 'a lone surrogate';
}

function describe(value: unknown): string {
  if (typeof value === 'bigint') return 'a BigInt';
  if (typeof value === 'symbol') return 'a symbol';
  if (value === undefined) return 'undefined (or a hole in an array)';
  return show(value);
}

function inBytes(bytes: number): string {
  return bytes < 10_240
    ? `${bytes} bytes`
    : bytes < 10 * 2 ** 20
      ? `${Math.round(bytes / 1024)} KiB`
      : `${Math.round(bytes / 2 ** 20)} MiB`;
}
