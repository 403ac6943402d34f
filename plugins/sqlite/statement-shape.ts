/** What a text of SQL comes to, as far as it shows without a database. */
export interface StatementShape {
  readonly statements: number;
  /** How many values it takes. */
  readonly parameters: number;
  /** Some of them have a name or a number. */
  readonly isNamed: boolean;
  /** It may change rows; what SQLite says of that after any other is left over from a statement before. */
  readonly changesRows: boolean;
}

const TOKEN = /[\w\u0080-\uffff][\w$\u0080-\uffff]*|\?\d*|[:@#$][\w$\u0080-\uffff]+|[^]/y;
const BLANK = /\s/;
const CLOSING: Readonly<Record<string, string>> = { "'": "'", '"': '"', '`': '`', '[': ']' };
const CHANGING: ReadonlySet<string> = new Set(['insert', 'replace', 'update', 'delete']);
const VERBS: ReadonlySet<string> = new Set([...CHANGING, 'select', 'values']);

/** Takes it apart as SQLite's own `sqlite3_complete` does. Linear in the length of the text. */
export function shapeOf(sql: string): StatementShape {
  const tokens = [...tokensOf(sql)];
  return {
    statements: countStatements(tokens),
    parameters: tokens.filter((token) => token === '?').length,
    isNamed: tokens.some((token) => /^(?:\?\d|[:@#$].)/.test(token)),
    changesRows: CHANGING.has(verbOf(tokens)),
  };
}

function countStatements(tokens: readonly string[]): number {
  const isTrigger = hasBody(tokens);
  let count = 0;
  let isInside = false;
  for (const [i, token] of tokens.entries()) {
    // The statements in the body of a trigger are part of it, up to an END that stands alone.
    const ends = token === ';' && (!isTrigger || (tokens[i - 1] === 'end' && tokens[i - 2] === ';'));
    if (!ends && !isInside && token !== ';') count++;
    isInside = !ends && (isInside || token !== ';');
  }
  return count;
}

function hasBody(tokens: readonly string[]): boolean {
  const words = tokens.slice(0, 8).filter((token) => !/^(?:;|explain|query|plan|temp|temporary)$/.test(token));
  return words[0] === 'create' && words[1] === 'trigger';
}

/** What is done behind the tables that `WITH` names. */
function verbOf(tokens: readonly string[]): string {
  const first = tokens.find((token) => token !== ';') ?? '';
  if (first !== 'with') return first;
  let depth = 0;
  for (const token of tokens) {
    depth += token === '(' ? 1 : token === ')' ? -1 : 0;
    if (depth === 0 && VERBS.has(token)) return token;
  }
  return '';
}

/** Words in small letters; of what is in quotes, the first one. */
function* tokensOf(sql: string): Generator<string> {
  for (let at = 0; at < sql.length;) {
    const first = sql[at]!;
    const closing = CLOSING[first];
    if (BLANK.test(first) || first === '\uFEFF') at++;
    else if (sql.startsWith('--', at)) at = behind(sql, '\n', at + 2);
    else if (sql.startsWith('/*', at)) at = behind(sql, '*/', at + 2);
    else if (closing !== undefined) {
      // A quote that is doubled ends one text and begins another.
      at = behind(sql, closing, at + 1);
      yield first;
    } else {
      TOKEN.lastIndex = at;
      const token = TOKEN.exec(sql)![0];
      at += token.length;
      yield token.toLowerCase();
    }
  }
}

function behind(sql: string, end: string, from: number): number {
  const at = sql.indexOf(end, from);
  return at < 0 ? sql.length : at + end.length;
}
