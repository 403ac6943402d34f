import type { StoredEvent } from '../event/event.ts';
import { searchedText } from '../event/searched-text.ts';
import type { Field } from '../filter/field.ts';
import { unfoldedIndex, type Words } from './words.ts';

/** Where a word was found. */
export interface SearchMatch {
  /** As it was looked for: folded, without quotes. */
  readonly word: string;
  /** `payload.error.message` */
  readonly path: string;
  /** The text around it, with `…` where something was left out. */
  readonly excerpt: string;
  /** Where in the excerpt it begins, and how long it is there. */
  readonly at: number;
  readonly length: number;
}

const BEFORE = 40;
const AFTER = 60;

/** Whether all words occur in the fields, in one or in several. Neither recursion nor paths: most events are no hit. */
export function hasWords(event: StoredEvent, fields: readonly Field[], { words, fold }: Words): boolean {
  let missing = 2 ** words.length - 1;
  const rest: unknown[] = fields.map((field) => field.read(event));
  while (rest.length > 0) {
    const part = rest.pop();
    if (typeof part === 'object' && part !== null) {
      for (const key of Object.keys(part)) rest.push((part as Readonly<Record<string, unknown>>)[key]);
      continue;
    }
    const text = searchedText(part);
    if (text === undefined) continue;
    const folded = fold(text);
    for (let i = 0; i < words.length; i++)
      if ((missing & (1 << i)) !== 0 && folded.includes(words[i]!)) missing &= ~(1 << i);
    if (missing === 0) return true;
  }
  return false;
}

/** The first place of each word, in the order of the words. */
export function matchesOf(event: StoredEvent, fields: readonly Field[], { words, fold }: Words): SearchMatch[] {
  const found = new Map<string, SearchMatch>();
  const rest: [path: string, part: unknown][] = fields
    .map((field): [string, unknown] => [field.path, field.read(event)])
    .toReversed();
  for (let next = rest.pop(); next !== undefined && found.size < words.length; next = rest.pop()) {
    const [path, part] = next;
    if (typeof part === 'object' && part !== null)
      for (const [key, member] of Object.entries(part).toReversed()) rest.push([`${path}.${key}`, member]);
    const text = searchedText(part);
    if (text === undefined) continue;
    const folded = fold(text);
    for (const word of words) {
      const at = found.has(word) ? -1 : folded.indexOf(word);
      if (at >= 0) found.set(word, { word, path, ...excerptOf(text, folded, at, word.length) });
    }
  }
  return words.map((word) => found.get(word)!);
}

function excerptOf(
  text: string,
  folded: string,
  at: number,
  length: number,
): Pick<SearchMatch, 'excerpt' | 'at' | 'length'> {
  const same = folded.length === text.length;
  const start = same ? at : unfoldedIndex(text, at);
  const end = same ? at + length : unfoldedIndex(text, at + length - 1) + 1;
  const from = outsidePair(text, Math.max(0, start - BEFORE), -1);
  const to = outsidePair(text, Math.min(text.length, end + AFTER), 1);
  const lead = from > 0 ? '…' : '';
  const excerpt = `${lead}${text.slice(from, to)}${to < text.length ? '…' : ''}`;
  return { excerpt, at: lead.length + start - from, length: end - start };
}

// Half of a surrogate pair is no character.
function outsidePair(text: string, index: number, step: 1 | -1): number {
  const unit = text.charCodeAt(index);
  return index > 0 && unit >= 0xdc00 && unit <= 0xdfff ? index + step : index;
}
