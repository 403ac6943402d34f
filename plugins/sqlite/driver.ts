/** What goes into a statement and comes out of it. A blob comes as bytes, whatever the driver makes of it. */
export type SqlValue = null | number | string | Uint8Array;
export type SqlRow = Readonly<Record<string, SqlValue>>;

export interface SqliteStatement {
  /** Answers how many rows it changed. */
  run(parameters: readonly SqlValue[]): number;
  get(parameters: readonly SqlValue[]): SqlRow | undefined;
  all(parameters: readonly SqlValue[]): readonly SqlRow[];
}

/** One connection. Everything is synchronous and throws what the driver throws, see `sqliteCode`. */
export interface SqliteDatabase {
  readonly inTransaction: boolean;
  exec(sql: string): void;
  /** `exact`: an integer that it answers with comes as a bigint. */
  prepare(sql: string, integers?: 'exact'): SqliteStatement;
  close(): void;
}

export type DriverName = 'libsql' | 'better-sqlite3' | 'node:sqlite';

/** The seam behind which the libraries are alike. */
export interface SqliteDriver {
  readonly name: DriverName;
  /** The file is made where it is not there. */
  open(path: string): SqliteDatabase;
}

/** Result codes of SQLite by name, as far as anything depends on them. */
const NAMES: ReadonlyMap<number, string> = new Map([
  [5, 'BUSY'],
  [6, 'LOCKED'],
  [8, 'READONLY'],
  [10, 'IOERR'],
  [11, 'CORRUPT'],
  [13, 'FULL'],
  [14, 'CANTOPEN'],
  [19, 'CONSTRAINT'],
  [23, 'AUTH'],
  [26, 'NOTADB'],
]);
const SYNC_FAILURES: ReadonlySet<number> = new Set([1034, 1290]);

/**
 * What SQLite said, in one word for all drivers: `BUSY`, `FULL`, `CORRUPT` … ; `IOERR_FSYNC` for a sync that failed;
 * `undefined` for what did not come from SQLite.
 */
export function sqliteCode(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code, ...numbers } = error as {
    readonly code?: unknown;
    readonly errcode?: unknown;
    readonly rawCode?: unknown;
  };
  // libsql has no name for some of the extended codes.
  const number = numbers.errcode ?? numbers.rawCode;
  if (typeof number === 'number') return SYNC_FAILURES.has(number) ? 'IOERR_FSYNC' : NAMES.get(number & 0xff);
  if (typeof code === 'string' && code.startsWith('SQLITE_')) {
    if (/^SQLITE_IOERR_(?:DIR_)?FSYNC$/.test(code)) return 'IOERR_FSYNC';
    return code.split('_')[1];
  }
  // libsql says no more than this of a file that it cannot open.
  return /ConnectionFailed\(.*: 14"?\)/.test(error.message) ? 'CANTOPEN' : undefined;
}
