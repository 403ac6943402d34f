// Control characters move the cursor or change colours; the others change the direction of the text around them.
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+/g;
const WIDE =
  /[\p{Extended_Pictographic}\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]/u;
// oxlint-disable-next-line no-control-regex -- everything from here on may take another width than one column
const SIMPLE = /^[\u0000-\u10ff\u2013-\u25ff]*$/;
/** What is longer is cut before it is looked at closely. */
const LONGEST = 1_000;

/** Somebody else's text in one safe line. */
export function oneLine(text: string): string {
  // Through bytes and back: lone surrogates become U+FFFD.
  return Buffer.from(text.slice(0, LONGEST)).toString().replace(UNSAFE, ' ').trim();
}

/** Columns on a terminal. */
export function widthOf(text: string): number {
  if (SIMPLE.test(text)) return text.length;
  let width = 0;
  for (const character of text) width += WIDE.test(character) ? 2 : 1;
  return width;
}

/** At most so many columns, the end marked where something is missing. */
export function cut(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  let kept = '';
  let left = width - 1;
  for (const character of text) {
    left -= widthOf(character);
    if (left < 0) break;
    kept += character;
  }
  return `${kept}…`;
}

export function pad(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - widthOf(text)));
}
