import { expected } from '../errors.ts';
import { foldCase, foldCaseAndSigma } from '../event/searched-text.ts';

/** What is looked for: folded words, all of which must occur. */
export interface Words {
  readonly words: readonly string[];
  readonly fold: (text: string) => string;
}

const MAX_LENGTH = 4_096;
/** So that which ones are still missing fits into one number. */
export const MAX_WORDS = 30;
// A quote begins a phrase only where a word may begin, and only if it ends: `5" pipe` is two words.
const WORD = /"([^"]+)"(?=\s|$)|\S+/g;

/** Takes a search apart: words between white space, and `"phrases in quotes"`. Throws `INVALID_QUERY`. */
export function parseWords(text: unknown): Words {
  if (typeof text !== 'string' || text.length > MAX_LENGTH)
    throw expected('INVALID_QUERY', 'the text of `search`', `a string of at most ${MAX_LENGTH} characters`, text);
  const given = [...text.matchAll(WORD)].map(([whole, phrase]) => phrase ?? whole);
  const fold = given.some((word) => SIGMA.test(word)) ? foldCaseAndSigma : foldCase;
  const words = [...new Set(given.map(fold))];
  if (words.length === 0 || words.length > MAX_WORDS)
    throw expected('INVALID_QUERY', 'the text of `search`', `1 to ${MAX_WORDS} words`, text);
  return { words, fold };
}

/** Which character of `text` the place at `index` of the folded text belongs to. Folding makes `İ` longer, and no other. */
export function unfoldedIndex(text: string, index: number): number {
  let at = 0;
  for (let folded = text[0]!.toLowerCase().length; folded <= index; at++) folded += text[at + 1]!.toLowerCase().length;
  return at;
}

const SIGMA = /[Σσς]/;
