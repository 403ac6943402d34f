const STAR = 42;
const QUESTION = 63;

/**
 * Whether the whole text matches: `*` stands for any run of characters, `?` for one (a character is a code point).
 * Two pointers that fall back to the last star only, so no pattern makes it exponential as a generated regular
 * expression would be (Kirk J. Krauss, "Matching Wildcards", 2008).
 */
export function matchWildcard(pattern: string, text: string): boolean {
  let p = 0;
  let t = 0;
  let afterStar = -1;
  let retry = 0;
  while (t < text.length) {
    const want = p < pattern.length ? pattern.charCodeAt(p) : -1;
    if (want === STAR) {
      afterStar = ++p;
      retry = t;
    } else if (want === QUESTION) {
      p++;
      t += characterLength(text, t);
    } else if (want === text.charCodeAt(t)) {
      p++;
      t++;
    } else if (afterStar >= 0) {
      p = afterStar;
      t = ++retry;
    } else return false;
  }
  while (pattern.charCodeAt(p) === STAR) p++;
  return p === pattern.length;
}

function characterLength(text: string, index: number): 1 | 2 {
  const unit = text.charCodeAt(index);
  if (unit < 0xd800 || unit > 0xdbff) return 1;
  const next = text.charCodeAt(index + 1);
  return next >= 0xdc00 && next <= 0xdfff ? 2 : 1;
}
