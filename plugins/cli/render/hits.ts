import type { SearchHit, SearchMatch } from '../../../lib/index.ts';
import { moment } from './figures.ts';
import { clean, cut, paint, widthOf } from './text.ts';
import type { Look } from './text.ts';
import { isFailure, isWithoutTime } from './tree.ts';

const INDENT = '    ';

/** A line about the event, and one for each place where a word was found. */
export function hitLines(look: Look, { event, matches }: SearchHit): string[] {
  const { position, type, entity, time } = event;
  const when = isWithoutTime(event) ? 'no time' : `${moment(time)} UTC`;
  const about = entity === undefined ? '' : `  ${clean(entity)}`;
  const lead = `${position}  ${when}  `;
  const rest = cut(`${clean(type)}${about}`, look.width - widthOf(lead) - 2);
  const words = matches.map(({ word }) => word);
  const shown: SearchMatch[] = [];
  for (const match of matches) if (!shown.some((other) => isShownIn(match, other))) shown.push(match);
  return [
    `  ${paint(look, 'dim', lead)}${paint(look, isFailure(event) ? 'red' : 'bold', rest)}`,
    ...shown.map((match) => matchLine(look, match, words)),
  ];
}

/** Another word of the same text may stand in the same excerpt. */
function isShownIn({ word, path }: SearchMatch, other: SearchMatch): boolean {
  return path === other.path && other.excerpt.toLowerCase().includes(word);
}

function matchLine(look: Look, { path, excerpt, at, length }: SearchMatch, words: readonly string[]): string {
  const name = cut(clean(path), Math.floor(look.width / 2), 'end');
  const room = look.width - INDENT.length - widthOf(name) - 2;
  const text = around(room, [excerpt.slice(0, at), excerpt.slice(at, at + length), excerpt.slice(at + length)]);
  return `${INDENT}${paint(look, 'dim', name)}  ${mark(look, text, words)}`.trimEnd();
}

/** The hit with as much before and behind it as there is room for. */
function around(room: number, parts: readonly [string, string, string]): string {
  const [before, hit, behind] = parts.map(clean) as [string, string, string];
  const middle = cut(hit, room);
  const left = room - widthOf(middle);
  const lead = cut(before, Math.max(Math.floor(left / 3), left - widthOf(behind)), 'end');
  return `${lead}${middle}${cut(behind, left - widthOf(lead))}`;
}

/** Paints every word, without touching what lies between. */
function mark(look: Look, text: string, words: readonly string[]): string {
  const folded = text.toLowerCase();
  // Where folding makes the text longer, places in the two differ.
  if (folded.length !== text.length) return text;
  const isMarked = Array.from({ length: text.length }, () => false);
  for (const word of words)
    for (let at = folded.indexOf(word); at >= 0; at = folded.indexOf(word, at + word.length))
      isMarked.fill(true, at, at + word.length);
  let marked = '';
  for (let from = 0, to = 0; from < text.length; from = to) {
    while (to < text.length && isMarked[to] === isMarked[from]) to++;
    const part = text.slice(from, to);
    marked += isMarked[from] ? paint(look, 'yellow', part) : part;
  }
  return marked;
}
