/** Where the first find in `text` from `start` on ends; -1 where there is none. */
export type Find = (text: string, start: number) => number;

/** V8 searches with whole tables up to this length only; beyond it, a bad text makes its search quadratic. */
const INDEXED_LENGTH = 250;
const WORD_BITS = 32;
const QUESTION = 63;

/** Finds a text as it is, in time that grows with the two lengths added, never multiplied. */
export function findLiteral(literal: string): Find {
  if (literal.length > INDEXED_LENGTH) return findLong(literal);
  return (text, start) => {
    const index = text.indexOf(literal, start);
    return index < 0 ? -1 : index + literal.length;
  };
}

/**
 * Finds `characters`, of which `?` is any one, but not the first, in one pass over the text: bit n of the state says
 * that the first n + 1 of them end here (Baeza-Yates and Gonnet, "A New Approach to Text Searching", 1992). Costs one
 * step more for each 32 characters. While nothing has begun, it goes on to where the longest literal stands next.
 */
export function findWithGaps(characters: readonly string[]): Find {
  const words = Math.ceil(characters.length / WORD_BITS);
  const { others, masks } = masksOf(characters, words);
  const last = 1 << ((characters.length - 1) % WORD_BITS);
  const { literal, before } = longestLiteral(characters);
  return (text, start) => {
    const state = new Int32Array(words);
    let begun = 0;
    let next = -1;
    for (let at = start; at < text.length;) {
      if (begun === 0) {
        if (next < at + before) next = text.indexOf(literal, at + before);
        if (next < 0) return -1;
        // A character before it takes two units at most.
        at = Math.max(at, next - 2 * before);
      }
      const code = text.codePointAt(at)!;
      at += code > 0xffff ? 2 : 1;
      const mask = masks.get(code) ?? others;
      let carry = 1;
      begun = 0;
      for (let word = 0; word < words; word++) {
        const old = state[word]!;
        state[word] = ((old << 1) | carry) & mask[word]!;
        carry = old >>> (WORD_BITS - 1);
        begun |= state[word]!;
      }
      if ((state[words - 1]! & last) !== 0) return at;
    }
    return -1;
  };
}

/** And how many characters stand before it. */
function longestLiteral(characters: readonly string[]): { readonly literal: string; readonly before: number } {
  let [literal, before] = ['', 0];
  for (let from = 0; from < characters.length;) {
    const gap = characters.indexOf('?', from);
    const to = gap < 0 ? characters.length : gap;
    const run = characters.slice(from, to).join('');
    if (run.length > literal.length) [literal, before] = [run, from];
    from = to + 1;
  }
  return { literal, before };
}

// Which places of the pattern a character fits; `others` is for those that it does not name.
function masksOf(
  characters: readonly string[],
  words: number,
): { readonly others: Int32Array; readonly masks: ReadonlyMap<number, Int32Array> } {
  const others = new Int32Array(words);
  const codes = characters.map((character) => character.codePointAt(0)!);
  for (const [i, code] of codes.entries()) if (code === QUESTION) set(others, i);
  const masks = new Map<number, Int32Array>();
  for (const [i, code] of codes.entries()) {
    if (code === QUESTION) continue;
    const mask = masks.get(code) ?? others.slice();
    masks.set(code, mask);
    set(mask, i);
  }
  return { others, masks };
}

function set(mask: Int32Array, place: number): void {
  mask[Math.floor(place / WORD_BITS)]! |= 1 << (place % WORD_BITS);
}

// Knuth, Morris and Pratt, "Fast Pattern Matching in Strings", 1977.
function findLong(literal: string): Find {
  const borders = bordersOf(literal);
  const wanted = Uint16Array.from({ length: literal.length }, (_, i) => literal.charCodeAt(i));
  return (text, start) => {
    let matched = 0;
    for (let at = start; at < text.length; at++) {
      const code = text.charCodeAt(at);
      while (matched > 0 && wanted[matched] !== code) matched = borders[matched - 1]!;
      if (wanted[matched] === code) matched++;
      if (matched === wanted.length) return at + 1;
    }
    return -1;
  };
}

/** For each prefix: the length of the longest shorter one that it ends with. */
function bordersOf(literal: string): Int32Array {
  const borders = new Int32Array(literal.length);
  let matched = 0;
  for (let i = 1; i < literal.length; i++) {
    while (matched > 0 && literal[matched] !== literal[i]) matched = borders[matched - 1]!;
    if (literal[matched] === literal[i]) matched++;
    borders[i] = matched;
  }
  return borders;
}
