import { TelltaleError } from '../errors.ts';
import { findLiteral, findWithGaps, type Find } from './find-text.ts';

/** A `?` between literals, between two stars, is looked for by a search that costs more with each 32 characters. */
const MAX_GAPPED = 256;
const QUESTION = 63;
const QUESTIONS = /^\?*/;

/**
 * Whether a whole text matches: `*` stands for any run of characters, `?` for one (a character is a code point). The
 * text is gone through once, whatever the pattern: what stands between two stars is taken where it is first found.
 * Throws `INVALID_FILTER` where that has a `?` among more than 256 characters.
 */
export function compileWildcard(pattern: string, name = 'the pattern'): (text: string) => boolean {
  const pieces = pattern.split('*');
  const first = pieces[0]!;
  if (pieces.length === 1) return (text) => endBehind(first, text, 0) === text.length;
  const last = pieces.at(-1)!;
  const finds = pieces
    .slice(1, -1)
    .filter((piece) => piece !== '')
    .map((piece) => compilePiece(piece, name));
  return (text) => {
    let at = endBehind(first, text, 0);
    const end = at < 0 ? -1 : startBefore(last, text);
    for (let i = 0; i < finds.length && at >= 0 && at <= end; i++) at = finds[i]!(text, at);
    return at >= 0 && at <= end;
  };
}

function compilePiece(piece: string, name: string): Find {
  const before = QUESTIONS.exec(piece)![0].length;
  const inner = piece.slice(before);
  const core = inner.replace(/\?+$/, '');
  const after = inner.length - core.length;
  const find = compileCore(core, name);
  return (text, start) => {
    const from = skip(text, start, before);
    const end = from < 0 ? -1 : find(text, from);
    return end < 0 ? -1 : skip(text, end, after);
  };
}

function compileCore(core: string, name: string): Find {
  if (core === '') return (_text, start) => start;
  if (!core.includes('?')) return findLiteral(core);
  const characters = Array.from(core);
  if (characters.length <= MAX_GAPPED) return findWithGaps(characters);
  const what = `at most ${MAX_GAPPED} characters between two stars where a \`?\` is among them`;
  throw new TelltaleError('INVALID_FILTER', `expected ${name} to have ${what}, got ${characters.length}`);
}

/** Where `piece` ends in `text` when it begins at `start`; -1 where it does not stand there. */
function endBehind(piece: string, text: string, start: number): number {
  let at = start;
  for (let p = 0; p < piece.length; p++) {
    const want = piece.charCodeAt(p);
    if (at >= text.length) return -1;
    if (want === QUESTION) at += characterLength(text, at);
    else if (want === text.charCodeAt(at)) at++;
    else return -1;
  }
  return at;
}

/** Where `piece` begins when `text` ends with it; -1 where it does not. */
function startBefore(piece: string, text: string): number {
  let at = text.length;
  for (let p = piece.length - 1; p >= 0; p--) {
    const want = piece.charCodeAt(p);
    if (at <= 0) return -1;
    if (want === QUESTION) at -= at > 1 ? characterLength(text, at - 2) : 1;
    else if (want === text.charCodeAt(at - 1)) at--;
    else return -1;
  }
  return at;
}

function skip(text: string, start: number, characters: number): number {
  let at = start;
  for (let left = characters; left > 0; left--) {
    if (at >= text.length) return -1;
    at += characterLength(text, at);
  }
  return at;
}

function characterLength(text: string, index: number): 1 | 2 {
  const unit = text.charCodeAt(index);
  if (unit < 0xd800 || unit > 0xdbff) return 1;
  const next = text.charCodeAt(index + 1);
  return next >= 0xdc00 && next <= 0xdfff ? 2 : 1;
}
