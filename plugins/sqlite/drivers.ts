import { createRequire } from 'node:module';
import { TelltaleError } from '../../lib/plugin.ts';
import type { DriverName, SqliteDatabase, SqliteDriver, SqliteStatement, SqlRow } from './driver.ts';

/** What the three libraries have in common. */
interface NativeStatement {
  run(...parameters: readonly unknown[]): { readonly changes: number | bigint };
  get(...parameters: readonly unknown[]): Readonly<Record<string, unknown>> | undefined;
  all(...parameters: readonly unknown[]): readonly Readonly<Record<string, unknown>>[];
}

interface NativeDatabase {
  exec(sql: string): unknown;
  prepare(sql: string): NativeStatement;
  close(): unknown;
  readonly inTransaction?: boolean;
  readonly isTransaction?: boolean;
}

type Open = (path: string) => NativeDatabase;

interface Kind {
  /** Answers how to open a file. Throws where the library is not there or does not run here. */
  readonly load: () => Open;
  /** node:sqlite takes parameters one by one, the others as a list. */
  readonly spreads: boolean;
  readonly remedy: string;
}

const require = createRequire(import.meta.url);

const KINDS: Readonly<Record<DriverName, Kind>> = {
  libsql: {
    load: () => constructed(require('libsql') as DatabaseClass),
    spreads: false,
    remedy: '`npm install libsql`',
  },
  'better-sqlite3': {
    load: loadBetterSqlite,
    spreads: false,
    remedy: '`npm install better-sqlite3` (12 on Node 20, 12 or 13 on later ones)',
  },
  'node:sqlite': {
    load: () => constructed((require('node:sqlite') as { readonly DatabaseSync: DatabaseClass }).DatabaseSync),
    spreads: true,
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
      return toDriver(candidate, KINDS[candidate].load(), KINDS[candidate].spreads);
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

function toDriver(name: DriverName, open: Open, spreads: boolean): SqliteDriver {
  return { name, open: (path) => toDatabase(open(path), spreads ? spreading : listing) };
}

function toDatabase(native: NativeDatabase, wrap: (statement: NativeStatement) => SqliteStatement): SqliteDatabase {
  return {
    get inTransaction() {
      return native.inTransaction ?? native.isTransaction ?? false;
    },
    exec: (sql) => void native.exec(sql),
    prepare: (sql) => wrap(native.prepare(sql)),
    close: () => void native.close(),
  };
}

function listing(statement: NativeStatement): SqliteStatement {
  return {
    run: (parameters) => Number(statement.run(parameters).changes),
    get: (parameters) => statement.get(parameters) as SqlRow | undefined,
    all: (parameters) => statement.all(parameters) as readonly SqlRow[],
  };
}

function spreading(statement: NativeStatement): SqliteStatement {
  return {
    run: (parameters) => Number(statement.run(...parameters).changes),
    get: (parameters) => statement.get(...parameters) as SqlRow | undefined,
    all: (parameters) => statement.all(...parameters) as readonly SqlRow[],
  };
}
