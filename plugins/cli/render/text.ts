import { stripVTControlCharacters } from 'node:util';

/** Colours and width of the place that is written to. */
export interface Look {
  readonly width: number;
  readonly colour: boolean;
}

export type Colour = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';

const CODES: Readonly<Record<Colour, readonly [number, number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
};
const MIN_WIDTH = 24;
const MAX_WIDTH = 120;
// Control characters, and those that change the direction of the text around them: a payload must not move the cursor.
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;
const SEGMENTS = new Intl.Segmenter('en', { granularity: 'grapheme' });
const WIDE =
  /^(?:\p{Extended_Pictographic}|[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|[\u{1f1e6}-\u{1f1ff}]|[\u{20000}-\u{3fffd}])/u;
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const SIMPLE = /^[\u0020-\u007e]*$/;

/** Colours only on a terminal; `NO_COLOR` and `TERM=dumb` turn them off, `FORCE_COLOR` on. */
export function lookOf(stream: NodeJS.WriteStream, env: NodeJS.ProcessEnv = process.env): Look {
  const width = isTerminal(stream) ? Math.min(MAX_WIDTH, Math.max(MIN_WIDTH, stream.columns || 80)) : 80;
  if (env['NO_COLOR']) return { width, colour: false };
  if (env['FORCE_COLOR'] && env['FORCE_COLOR'] !== '0') return { width, colour: true };
  return { width, colour: isTerminal(stream) && env['TERM'] !== 'dumb' };
}

/** Node leaves `isTTY` undefined where the stream is none, whatever its type says. */
export function isTerminal(stream: { readonly isTTY?: boolean }): boolean {
  return stream.isTTY === true;
}

export function paint(look: Look, colour: Colour, text: string): string {
  if (!look.colour || text === '') return text;
  const [on, off] = CODES[colour];
  return `\u001b[${on}m${text}\u001b[${off}m`;
}

/** Somebody else's text in one safe line: no escape sequences, no line breaks. */
export function clean(text: string): string {
  if (SIMPLE.test(text)) return text;
  return Buffer.from(text)
    .toString()
    .replace(/[\r\n\t]+/g, ' ')
    .replace(UNSAFE, (character) => `\\x${hex(character)}`);
}

/** Columns on a terminal; colours take none. */
export function widthOf(text: string): number {
  const bare = stripVTControlCharacters(text);
  if (SIMPLE.test(bare)) return bare.length;
  let width = 0;
  for (const { segment } of SEGMENTS.segment(bare)) width += WIDE.test(segment) ? 2 : 1;
  return width;
}

/** At most `width` columns, with `…` where something was cut: at the end, or at the start where the end says more. */
export function cut(text: string, width: number, keep: 'start' | 'end' = 'start'): string {
  if (widthOf(text) <= width) return text;
  if (width <= 1) return width === 1 ? '…' : '';
  const parts = [...SEGMENTS.segment(text)].map(({ segment }) => segment);
  if (keep === 'end') parts.reverse();
  let kept = 0;
  let used = 1;
  while (kept < parts.length && used + widthOf(parts[kept]!) <= width) used += widthOf(parts[kept++]!);
  const rest = parts.slice(0, kept);
  return keep === 'end' ? `…${rest.toReversed().join('')}` : `${rest.join('')}…`;
}

/** At most so many lines of at most `width` columns, broken at spaces where there are any; `…` where more was left. */
export function wrap(text: string, width: number, most: number): readonly string[] {
  const lines: string[] = [];
  let rest = text.trim();
  while (widthOf(rest) > width && lines.length < most - 1) {
    const head = cut(rest, width).slice(0, -1);
    const space = head.lastIndexOf(' ');
    const line = space > head.length / 2 ? head.slice(0, space) : head;
    lines.push(line);
    rest = rest.slice(line.length).trimStart();
  }
  return rest === '' ? lines : [...lines, cut(rest, width)];
}

export function pad(text: string, width: number, side: 'left' | 'right' = 'left'): string {
  const space = ' '.repeat(Math.max(0, width - widthOf(text)));
  return side === 'left' ? text + space : space + text;
}

function hex(character: string): string {
  return character.codePointAt(0)!.toString(16).padStart(2, '0');
}
