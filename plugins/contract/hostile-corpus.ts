import type { ErrorCode } from '../../lib/plugin.ts';

const SQL = `'; DROP TABLE events; -- " \\ %s $1 ?`;
const HTML = `<script>alert("&amp;")</script><!-- ]]> -->`;

/** Strings that have broken parsers, paths, queries and pages elsewhere, and are plain data all the same. */
export const HOSTILE_STRINGS: readonly string[] = [
  '',
  '*'.repeat(1_000),
  '%'.repeat(100),
  '../../../../etc/passwd',
  'C:\\Windows\\..\\x',
  'a\r\nb\nc\rd',
  '{"id":1}\n{"id":2}\n',
  '\u0001\u0008\u001b[31m\u007f\u0085',
  '\u2028\u2029\ufeff\u200b\u202e',
  '\ufffd\uffff\u{10ffff}👩‍👩‍👧é',
  // In no normal form: composed, decomposed, and one that each form writes in another way.
  '\u00e9 e\u0301 \u212b \u1e9b\u0323 \ufb01',
  SQL,
  HTML,
  '__proto__',
  'constructor',
  'null',
  '1e400',
  '-0',
  'x'.repeat(100_000),
];

/** Plain data at its edges; each must come back exactly, the order of keys included. */
export const PLAIN_VALUES: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  0.1,
  1e21,
  5e-324,
  Number.MAX_VALUE,
  Number.MAX_SAFE_INTEGER,
  -Number.MAX_SAFE_INTEGER,
  '',
  [],
  {},
  [[], [[]], {}, [null]],
  { '': 1, ' ': 2, 'a.b': 3, $gt: 4, '*': 5 },
  { z: 1, a: 2, 10: 3, 9: 4 },
  { constructor: 1, prototype: 2, toString: 3, hasOwnProperty: 4, toJSON: 5, length: 6 },
  { id: 'x', position: -1, revision: -1, storedAt: -1, payload: {}, crc: 0, commit: 0, rest: 0 },
  nested(90),
  Array.from({ length: 2_000 }, (_, i) => i),
  HOSTILE_STRINGS,
  Object.fromEntries(HOSTILE_STRINGS.filter((key) => key !== '__proto__').map((key) => [key, key])),
];

const cycle: Record<string, unknown> = {};
cycle['self'] = { back: cycle };

class Task {
  title = 'an instance';
}

/** What no store takes, with the code of the refusal. */
export const REFUSED_VALUES: readonly (readonly [what: string, value: unknown, code: ErrorCode])[] = [
  ['NUL', 'a\u0000b', 'PAYLOAD_BAD_STRING'],
  ['NUL in a key', { 'a\u0000': 1 }, 'PAYLOAD_BAD_STRING'],
  ['a lone high surrogate', 'a\ud800', 'PAYLOAD_BAD_STRING'],
  ['a lone low surrogate in a key', { '\udc00': 1 }, 'PAYLOAD_BAD_STRING'],
  ['NaN', NaN, 'PAYLOAD_BAD_NUMBER'],
  ['1e400', [Number('1e400')], 'PAYLOAD_BAD_NUMBER'],
  ['-1e400', { n: Number('-1e400') }, 'PAYLOAD_BAD_NUMBER'],
  ['a BigInt', 1n, 'PAYLOAD_NOT_PLAIN'],
  ['a Date', { at: new Date(0) }, 'PAYLOAD_NOT_PLAIN'],
  ['a Map', new Map(), 'PAYLOAD_NOT_PLAIN'],
  ['bytes', new Uint8Array(4), 'PAYLOAD_NOT_PLAIN'],
  ['a RegExp', /x/, 'PAYLOAD_NOT_PLAIN'],
  ['an Error', new Error('x'), 'PAYLOAD_NOT_PLAIN'],
  ['a class instance', new Task(), 'PAYLOAD_NOT_PLAIN'],
  ['a function', { f: () => 1 }, 'PAYLOAD_NOT_PLAIN'],
  ['a symbol', [Symbol('x')], 'PAYLOAD_NOT_PLAIN'],
  ['a cycle', cycle, 'PAYLOAD_CYCLE'],
  ['depth 102', nested(102), 'PAYLOAD_TOO_DEEP'],
  ['depth 1,000,000', nested(1_000_000), 'PAYLOAD_TOO_DEEP'],
  ['an own __proto__ key', JSON.parse('{"a":{"__proto__":{"polluted":true}}}'), 'PAYLOAD_FORBIDDEN_KEY'],
];

function nested(depth: number): unknown {
  let value: unknown = 'bottom';
  for (let i = 0; i < depth; i++) value = i % 2 === 0 ? [value] : { in: value };
  return value;
}
