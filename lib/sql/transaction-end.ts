import { expected } from '../errors.ts';

const ENDS: ReadonlySet<string> = new Set(
  'begin start commit end rollback abort savepoint release attach detach vacuum'.split(' '),
);
const WORD = /[a-z_][\w$]*/iy;
const BLANK = /[\s;\uFEFF]/;

/** Whoever ends a transaction by hand would part what belongs together. Throws `INVALID_OPTION`. */
export function mustNotEnd(sql: unknown, comments: 'nested' | 'flat'): void {
  if (typeof sql !== 'string' || endsTransaction(sql, comments))
    throw expected('INVALID_OPTION', 'a statement of `tx`', 'SQL that neither begins nor ends transactions', sql);
}

/**
 * Does a statement begin or end a transaction, or name a point in one? Looks at its first words, behind whatever comments;
 * they are nested in PostgreSQL, and are not in SQLite. Linear in the length of the text.
 */
export function endsTransaction(sql: string, comments: 'nested' | 'flat'): boolean {
  const at = skip(sql, 0, comments);
  const word = wordAt(sql, at);
  if (word !== 'prepare') return ENDS.has(word);
  return wordAt(sql, skip(sql, at + word.length, comments)) === 'transaction';
}

function wordAt(sql: string, at: number): string {
  WORD.lastIndex = at;
  return WORD.exec(sql)?.[0].toLowerCase() ?? '';
}

function skip(sql: string, from: number, comments: 'nested' | 'flat'): number {
  let at = from;
  for (;;) {
    if (sql.startsWith('--', at)) at = behindLine(sql, at, comments);
    else if (sql.startsWith('/*', at)) at = comments === 'flat' ? behind(sql, '*/', at + 2) : behindNested(sql, at);
    else if (at < sql.length && BLANK.test(sql[at]!)) at++;
    else return at;
  }
}

function behind(sql: string, end: string, from: number): number {
  const at = sql.indexOf(end, from);
  return at < 0 ? sql.length : at + end.length;
}

// PostgreSQL takes a carriage return for the end of a line, SQLite does not.
function behindLine(sql: string, from: number, comments: 'nested' | 'flat'): number {
  const end = comments === 'flat' ? /\n/g : /[\n\r]/g;
  end.lastIndex = from;
  return end.test(sql) ? end.lastIndex : sql.length;
}

function behindNested(sql: string, from: number): number {
  const marks = /\/\*|\*\//g;
  marks.lastIndex = from;
  let depth = 0;
  for (let mark = marks.exec(sql); mark !== null; mark = marks.exec(sql)) {
    depth += mark[0] === '/*' ? 1 : -1;
    if (depth === 0) return marks.lastIndex;
  }
  return sql.length;
}
