import { foldCaseAndSigma, searchedText } from '../event/searched-text.ts';
import type { StoredEvent } from '../event/event.ts';
import type { WordHint } from '../store/port.ts';

/**
 * Search as stores narrow it: an event is found under every three characters that follow one another in its texts, in
 * lower case. Whatever has a word has all the word's trigrams; the opposite does not hold.
 */

/** An event with more text than this is a candidate for every search, so that none is slow or impossible to insert. */
const MAX_TEXT = 256 * 1024;
/** A long word is told from nearly all others by some of its trigrams. */
const MAX_TRIGRAMS = 24;
const PLACEHOLDER = '\ufffd';
/**
 * Characters whose lower case is the same in every version of Unicode: those of scripts to which no case is added any
 * more. Another one may be folded here and not in the process that wrote the event; nothing is told by it, nor by
 * control characters, of which PostgreSQL does not take every one.
 */
const UNSTABLE =
  /[^ -\u017f\u0386-\u03ce\u0400-\u045f\u0531-\u0587\u0590-\u109f\u1100-\u11ff\u2010-\u2027\u3000-\ua63f\uac00-\ud7a3\uf900-\ufaff\uff00-\uffef\u{1f000}-\u{1faff}\u{20000}-\u{3ffff}]/gu;

/** All that can be found of an event: its type, its entity, and the texts and numbers of its payload. `undefined`: too much. */
export function searchedTextOf({
  type,
  entity,
  payload,
}: Pick<StoredEvent, 'type' | 'entity' | 'payload'>): string | undefined {
  let text = entity === undefined ? type : `${type}\n${entity}`;
  const rest: unknown[] = [payload];
  while (rest.length > 0) {
    const part = rest.pop();
    if (typeof part === 'object' && part !== null) {
      for (const key of Object.keys(part)) rest.push((part as Readonly<Record<string, unknown>>)[key]);
      continue;
    }
    const found = searchedText(part);
    if (found === undefined) continue;
    if (text.length + found.length > MAX_TEXT) return undefined;
    text += `\n${found}`;
  }
  return stable(text);
}

/** Trigrams that every event has in which all words occur; none where that is not known. */
export function trigramsOf(hint: WordHint): readonly string[] {
  const { words } = hint;
  if (!isCovered(hint)) return [];
  const found = words.map((word) =>
    [...new Set(eachTrigram(stable(word)))].filter((one) => !one.includes(PLACEHOLDER)),
  );
  const each = Math.max(1, Math.floor(MAX_TRIGRAMS / words.length));
  return [...new Set(found.flatMap((all) => spread(all, each)))];
}

/** Some come more than once. */
export function* eachTrigram(text: string): Generator<string> {
  let [a, b] = ['', ''];
  for (const c of text) {
    if (a !== '') yield a + b + c;
    a = b;
    b = c;
  }
}

function stable(text: string): string {
  return foldCaseAndSigma(text).replace(UNSTABLE, PLACEHOLDER);
}

/** At most `count` of them, evenly. */
function spread(all: readonly string[], count: number): readonly string[] {
  if (all.length <= count) return all;
  return Array.from({ length: count }, (_, i) => all[Math.floor((i * all.length) / count)]!);
}

/** Whether the fields that are searched are among those that have trigrams. */
function isCovered({ in: fields }: WordHint): boolean {
  return fields.every((field) => field === 'type' || field === 'entity' || /^payload(?:\.|$)/.test(field));
}
