import type { FileFacts } from './events.ts';

interface Language {
  readonly name: string;
  readonly imports: RegExp;
  readonly exports: RegExp;
  readonly blocks?: 'braces' | 'indent';
}

const NOTHING = /(?!)/;
const SCRIPT: Language = {
  name: 'JavaScript',
  imports: /^\s*import\b(?!\s*\()|^\s*export\b.*\bfrom\s*['"]|\brequire\s*\(\s*['"]/,
  exports: /^\s*export\b|^\s*(?:module\.)?exports\b[^=]*=(?!=)/,
  blocks: 'braces',
};
const LANGUAGES: ReadonlyMap<string, Language> = new Map([
  ...['js', 'mjs', 'cjs', 'jsx'].map((extension) => [extension, SCRIPT] as const),
  ...['ts', 'mts', 'cts', 'tsx'].map((extension) => [extension, { ...SCRIPT, name: 'TypeScript' }] as const),
  ['py', { name: 'Python', imports: /^\s*(?:import|from)\s+\S/, exports: NOTHING, blocks: 'indent' }],
  ['go', { name: 'Go', imports: /^\s*import\b/, exports: /^func\s+(?:\([^)]*\)\s*)?[A-Z]/, blocks: 'braces' }],
  ['rs', { name: 'Rust', imports: /^\s*(?:pub\s+)?use\s/, exports: /^\s*pub\b/, blocks: 'braces' }],
  ['java', { name: 'Java', imports: /^\s*import\s/, exports: /^\s*public\b/, blocks: 'braces' }],
  ['c', { name: 'C', imports: /^\s*#\s*include\b/, exports: NOTHING }],
  ['h', { name: 'C', imports: /^\s*#\s*include\b/, exports: NOTHING }],
  ['md', { name: 'Markdown', imports: NOTHING, exports: NOTHING }],
  ['json', { name: 'JSON', imports: NOTHING, exports: NOTHING }],
  ['css', { name: 'CSS', imports: /^\s*@import\b/, exports: NOTHING }],
  ['html', { name: 'HTML', imports: NOTHING, exports: NOTHING }],
]);
const OTHER: Language = { name: 'other text', imports: NOTHING, exports: NOTHING };
const TODO = /\b(?:TODO|FIXME|XXX)\b/;
const NAMED_FUNCTION = /\b(?:function\s*\*?|func(?:\s*\([^)]*\))?|fn)\s+([\w$]+)\s*[<(]/;
const ARROW_FUNCTION = /([\w$]+)\s*(?::[^=]+)?[=:]\s*(?:async\s*)?(?:function\b|(?:\([^()]*\)|[\w$]+)\s*(?::[^=]+)?=>)/;
// A head without a call's marks: no text as its first argument, no function among them.
const METHOD = /^\s*(?:[\w$]+\s+)*([#\w$]+)\s*(?:<[^>]*>)?\((?!"")(?!.*=>)[^;]*$/;
const NOT_A_METHOD = /^(?:if|for|while|switch|catch|return|with|await|new|else|throw|typeof|do|super)$/;
// A line of minified code may have megabytes, in which the patterns above would look for long.
const LONGEST_LINE = 1_000;

/** Reads facts line by line. An estimate on purpose: good enough to flag a file, cheap, and it never fails. */
export function parse(path: string, text: string): FileFacts {
  const language = LANGUAGES.get(path.slice(path.lastIndexOf('.') + 1).toLowerCase()) ?? OTHER;
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  const matching = (pattern: RegExp): number =>
    lines.filter((line) => pattern.test(line.slice(0, LONGEST_LINE))).length;
  const longest = longestFunction(lines, language);
  return {
    language: language.name,
    lines: lines.length,
    imports: matching(language.imports),
    exports: matching(language.exports),
    todos: matching(TODO),
    ...(longest && { longest }),
  };
}

function longestFunction(lines: readonly string[], language: Language): FileFacts['longest'] {
  if (language.blocks === undefined) return undefined;
  const found = language.blocks === 'braces' ? braceBlocks(lines) : indentBlocks(lines);
  return found.reduce<FileFacts['longest']>(
    (best, block) => (best && best.lines >= block.lines ? best : block),
    undefined,
  );
}

type Block = NonNullable<FileFacts['longest']>;

function braceBlocks(lines: readonly string[]): Block[] {
  const found: Block[] = [];
  const open: { name: string; at: number; depth: number; entered: boolean }[] = [];
  let depth = 0;
  let inComment = false;
  for (const [index, raw] of lines.entries()) {
    const { code, comment } = withoutText(raw.slice(0, LONGEST_LINE), inComment);
    inComment = comment;
    const name = functionName(code);
    if (name !== undefined) open.push({ name, at: index + 1, depth, entered: false });
    depth = Math.max(0, depth + count(code, '{') - count(code, '}'));
    for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
      if (depth > top.depth) {
        top.entered = true;
        break;
      }
      // A head without a body yet: its brace may come on one of the next lines.
      if (!top.entered && depth === top.depth && !/[;}]\s*$/.test(code) && index + 1 - top.at < 20) break;
      open.pop();
      if (top.entered || code.includes('{')) found.push({ name: top.name, at: top.at, lines: index + 2 - top.at });
    }
  }
  return found;
}

function functionName(code: string): string | undefined {
  const found = NAMED_FUNCTION.exec(code)?.[1] ?? ARROW_FUNCTION.exec(code)?.[1] ?? METHOD.exec(code)?.[1];
  return found === undefined || NOT_A_METHOD.test(found) ? undefined : found;
}

function indentBlocks(lines: readonly string[]): Block[] {
  const found: Block[] = [];
  for (const [index, line] of lines.entries()) {
    const match = /^(\s*)(?:async\s+)?def\s+(\w+)/.exec(line);
    if (!match) continue;
    let last = index;
    for (let next = index + 1; next < lines.length; next++) {
      const text = lines[next]!;
      if (text.trim() === '') continue;
      if (text.length - text.trimStart().length <= match[1]!.length && !/^\s*[)\]]/.test(text)) break;
      last = next;
    }
    found.push({ name: match[2]!, at: index + 1, lines: last - index + 1 });
  }
  return found;
}

// Braces inside strings and comments are not structure.
function withoutText(line: string, inComment: boolean): { code: string; comment: boolean } {
  let code = line;
  if (inComment) {
    const end = code.indexOf('*/');
    if (end < 0) return { code: '', comment: true };
    code = code.slice(end + 2);
  }
  code = code
    .replace(/'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`/g, '""')
    .replace(/\/\*.*?\*\//g, '')
    .replace(/(?:^|[^:\\])\/\/.*$/, '');
  const start = code.indexOf('/*');
  return start < 0 ? { code, comment: false } : { code: code.slice(0, start), comment: true };
}

function count(text: string, character: string): number {
  let found = 0;
  for (const each of text) if (each === character) found++;
  return found;
}
