import { createRequire } from 'node:module';
import { TelltaleError } from '../../lib/plugin.ts';
import type { DriverName, SqliteDatabase, SqliteDriver, SqliteStatement, SqlRow, SqlValue } from './driver.ts';

/** What the three libraries have in common. */
interface NativeStatement {
  run(...parameters: readonly unknown[]): { readonly changes: number | bigint };
  get(...parameters: readonly unknown[]): Readonly<Record<string, unknown>> | undefined;
  all(...parameters: readonly unknown[]): readonly Readonly<Record<string, unknown>>[];
  /** Answers with rows. node:sqlite does not say. */
  readonly reader?: boolean;
  safeIntegers?(are: boolean): unknown;
  /** The same in node:sqlite. */
  setReadBigInts?(are: boolean): void;
  columns?(): readonly { readonly name: string }[];
}

interface NativeDatabase {
  exec(sql: string): unknown;
  prepare(sql: string): NativeStatement;
  close(): unknown;
  readonly inTransaction?: boolean;
  readonly isTransaction?: boolean;
}

type Open = (path: string) => NativeDatabase;
/** Makes the statements of the libraries alike. */
type Wrap = (statement: NativeStatement, database: NativeDatabase) => SqliteStatement;

interface Kind {
  /** Answers how to open a file. Throws where the library is not there or does not run here. */
  readonly load: () => Open;
  readonly wrap: Wrap;
  readonly remedy: string;
}

const require = createRequire(import.meta.url);

const KINDS: Readonly<Record<DriverName, Kind>> = {
  libsql: {
    load: () => constructed(require('libsql') as DatabaseClass),
    wrap: exhausting,
    remedy: '`npm install libsql`',
  },
  'better-sqlite3': {
    load: loadBetterSqlite,
    wrap: answering,
    remedy: '`npm install better-sqlite3` (12 on Node 20, 12 or 13 on later ones)',
  },
  'node:sqlite': {
    load: () => constructed((require('node:sqlite') as { readonly DatabaseSync: DatabaseClass }).DatabaseSync),
    wrap: spreading,
    remedy: 'Node 22.13 or later',
  },
};

/** Those that are tried where nobody says which, in this order. */
export const DRIVERS: readonly DriverName[] = ['better-sqlite3', 'libsql', 'node:sqlite'];

type DatabaseClass = new (path: string) => NativeDatabase;

/** The driver asked for, or the first that is installed. Throws `NOT_SUPPORTED`, which says what to install. */
export function loadDriver(name?: DriverName): SqliteDriver {
  const failures: string[] = [];
  for (const candidate of name === undefined ? DRIVERS : [name]) {
    try {
      return toDriver(candidate, KINDS[candidate]);
    } catch (error) {
      failures.push(`${candidate}: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`);
    }
  }
  const remedies = (name === undefined ? DRIVERS : [name]).map((candidate) => KINDS[candidate].remedy);
  throw new TelltaleError('NOT_SUPPORTED', `sqlite needs ${remedies.join(', or ')} (${failures.join('; ')})`);
}

// 13 is built for a newer Node-API: where that is missing, importing it ends the process.
function loadBetterSqlite(): Open {
  const { version } = require('better-sqlite3/package.json') as { readonly version: string };
  const needed = Number.parseInt(version, 10) >= 13 ? 10 : 8;
  if (Number(process.versions['napi']) < needed)
    throw new Error(`version ${version} needs Node-API ${needed}, this is ${process.versions['napi']}`);
  return constructed(require('better-sqlite3') as DatabaseClass);
}

function constructed(Database: DatabaseClass): Open {
  return (path) => new Database(path);
}

function toDriver(name: DriverName, { load, wrap }: Kind): SqliteDriver {
  const open = load();
  return { name, open: (path) => toDatabase(open(path), wrap) };
}

function toDatabase(native: NativeDatabase, wrap: Wrap): SqliteDatabase {
  return {
    get inTransaction() {
      return native.inTransaction ?? native.isTransaction ?? false;
    },
    exec: (sql) => void native.exec(sql),
    prepare: (sql, integers) => {
      const statement = native.prepare(sql);
      if (integers === 'exact') void (statement.safeIntegers?.(true) ?? statement.setReadBigInts?.(true));
      return wrap(statement, native);
    },
    close: () => void native.close(),
  };
}

/**
 * libsql leaves a statement that answers with rows where `run` has brought it: nothing is committed while it is kept. And
 * it adds to a row that `get` hands out how long that has taken.
 */
function exhausting(statement: NativeStatement, database: NativeDatabase): SqliteStatement {
  let isHidden: boolean | undefined;
  return {
    run: (parameters) => {
      if (!statement.reader) return Number(statement.run(parameters).changes);
      statement.all(parameters);
      return Number(database.prepare('SELECT changes() AS n').get([])!['n']);
    },
    get: (parameters) => {
      isHidden ??= statement.columns?.().some(({ name }) => name === '_metadata') ?? false;
      if (isHidden) return statement.all(parameters)[0] as SqlRow | undefined;
      const row = statement.get(parameters);
      if (row === undefined) return undefined;
      const { _metadata, ...own } = row;
      return own as SqlRow;
    },
    all: (parameters) => statement.all(parameters) as readonly SqlRow[],
  };
}

/** better-sqlite3 is not asked for rows where there can be none. */
function answering(statement: NativeStatement): SqliteStatement {
  const run = (parameters: readonly SqlValue[]): number => Number(statement.run(parameters).changes);
  if (statement.reader)
    return {
      run,
      get: (parameters) => statement.get(parameters) as SqlRow | undefined,
      all: (parameters) => statement.all(parameters) as readonly SqlRow[],
    };
  return { run, get: (parameters) => void run(parameters), all: (parameters) => (run(parameters), []) };
}

/** node:sqlite takes parameters one by one. */
function spreading(statement: NativeStatement): SqliteStatement {
  return {
    run: (parameters) => Number(statement.run(...parameters).changes),
    get: (parameters) => statement.get(...parameters) as SqlRow | undefined,
    all: (parameters) => statement.all(...parameters) as readonly SqlRow[],
  };
}
