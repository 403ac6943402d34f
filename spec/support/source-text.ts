/** One import of a file, in whatever form it is written. */
export interface Import {
  readonly specifier: string;
  /** `import(…)`, `require(…)` or `new URL(…, import.meta.url)`: loaded when the line runs. */
  readonly lazy: boolean;
  /** `import type` and `export type`: gone when the program runs. */
  readonly typeOnly: boolean;
}

/** A source with its comments blanked; `bare` has its strings, templates and regular expressions blanked as well. */
export interface Code {
  readonly code: string;
  readonly bare: string;
}

/** What `importsOf` answers for an import whose specifier is computed. */
export const COMPUTED = '(computed)';

const FORMS: readonly { readonly pattern: RegExp; readonly lazy: boolean }[] = [
  { pattern: /\b(?:import|export)\b[^'"`;]*?\bfrom\s*(['"])([^'"\n]+)\1/g, lazy: false },
  { pattern: /\bimport\s*(['"])([^'"\n]+)\1/g, lazy: false },
  { pattern: /\b(?:import|require)\s*\(\s*(['"])([^'"\n]+)\1/g, lazy: true },
  { pattern: /\bnew\s+URL\s*\(\s*(['"])([^'"\n]+)\1\s*,\s*import\.meta\.url/g, lazy: true },
];

/** Every import in `text`: static, type-only, re-export, for effect, dynamic, and files named for a worker. */
export function importsOf(text: string): readonly Import[] {
  const { code, bare } = readCode(text);
  // A keyword within a literal is blank in `bare`.
  const matches = (pattern: RegExp): RegExpExecArray[] =>
    [...code.matchAll(pattern)].filter(({ index }) => bare[index] !== ' ');
  const found = FORMS.flatMap(({ pattern, lazy }) =>
    matches(pattern).map((match): Import => ({
      specifier: match[2]!,
      lazy,
      typeOnly: /^(?:import|export)\s+type\b/.test(match[0]),
    })),
  );
  const computed = matches(/\bimport\s*\(\s*(?!['"\s])/g).map((): Import => ({
    specifier: COMPUTED,
    lazy: true,
    typeOnly: false,
  }));
  return [...found, ...computed];
}

const known = new Map<string, Code>();

/** Splits a source into what is code, what is comment and what is literal, well enough for our own style. */
export function readCode(text: string): Code {
  // Every check reads every source.
  const code = known.get(text) ?? split(text);
  known.set(text, code);
  return code;
}

function split(text: string): Code {
  let code = '';
  let bare = '';
  let at = 0;
  // Depths of `{` at which a template literal goes on after its `${…}`.
  const templates: number[] = [];
  let depth = 0;
  const take = (end: number, kind: 'code' | 'comment' | 'literal'): void => {
    const piece = text.slice(at, end);
    const blank = piece.replace(/[^\n]/g, ' ');
    code += kind === 'comment' ? blank : piece;
    bare += kind === 'code' ? piece : blank;
    at = end;
  };
  while (at < text.length) {
    const two = text.slice(at, at + 2);
    const one = text[at]!;
    if (two === '//') take(endOf(text, '\n', at), 'comment');
    else if (two === '/*') take(endOf(text, '*/', at + 2) + 2, 'comment');
    else if (one === "'" || one === '"') take(endOfString(text, at), 'literal');
    else if (one === '/' && startsRegExp(bare)) take(endOfRegExp(text, at), 'literal');
    else if (one === '`' || (one === '}' && templates.at(-1) === depth)) {
      if (one === '}') templates.pop();
      const end = endOfTemplatePart(text, at + 1);
      if (text[end - 1] === '{') templates.push(depth);
      take(end, 'literal');
    } else {
      if (one === '{') depth++;
      if (one === '}') depth--;
      take(at + 1, 'code');
    }
  }
  return { code, bare };
}

function endOf(text: string, mark: string, from: number): number {
  const end = text.indexOf(mark, from);
  return end === -1 ? text.length : end;
}

function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text[at] !== text[start] && text[at] !== '\n') at += text[at] === '\\' ? 2 : 1;
  return Math.min(at + 1, text.length);
}

// Up to the closing backtick or into the next `${`.
function endOfTemplatePart(text: string, from: number): number {
  let at = from;
  while (at < text.length) {
    if (text[at] === '`') return at + 1;
    if (text[at] === '$' && text[at + 1] === '{') return at + 2;
    at += text[at] === '\\' ? 2 : 1;
  }
  return text.length;
}

// A slash divides after a value and begins a regular expression everywhere else.
function startsRegExp(before: string): boolean {
  const last = before.trimEnd();
  return (
    last === '' || /[(,=:[!&|?{};<>+\-*%~^]$/.test(last) || /\b(?:return|typeof|case|in|of|await|yield)$/.test(last)
  );
}

function endOfRegExp(text: string, start: number): number {
  let at = start + 1;
  let inClass = false;
  while (at < text.length && text[at] !== '\n' && (inClass || text[at] !== '/')) {
    if (text[at] === '[') inClass = true;
    if (text[at] === ']') inClass = false;
    at += text[at] === '\\' ? 2 : 1;
  }
  return Math.min(at + 1, text.length);
}
