import { endsTransaction, expected } from '../../lib/plugin.ts';
import type { Connection } from './connection.ts';
import { sqliteCode } from './driver.ts';
import type { SqlRow, SqlValue } from './driver.ts';

/** What goes into a statement; true and false become 1 and 0. */
export type SqliteParameter = SqlValue | boolean;

/** The transaction of a handler. Its functions may be taken out; they throw what SQLite refuses. */
export interface SqliteTransaction {
  /** Answers how many rows were changed. */
  readonly run: (sql: string, parameters?: readonly SqliteParameter[]) => number;
  readonly get: (sql: string, parameters?: readonly SqliteParameter[]) => SqlRow | undefined;
  readonly all: (sql: string, parameters?: readonly SqliteParameter[]) => readonly SqlRow[];
}

/** A transaction that is under way in a file. */
export interface OpenTransaction {
  readonly connection: Connection;
  /** Real path of the file. */
  readonly path: string;
}

const open = new WeakMap<object, OpenTransaction>();

/** What lies behind what a handler is given, until that has ended. */
export const transactionOf = (tx: unknown): OpenTransaction | undefined => open.get(tx as object);

/** The file is to blame for these, not what was asked. */
const BROKEN: ReadonlySet<string> = new Set([
  'IOERR',
  'IOERR_FSYNC',
  'FULL',
  'CORRUPT',
  'NOTADB',
  'READONLY',
  'CANTOPEN',
]);

/** Hands out a transaction that somebody else has begun, and will end after `end`. */
export class Handed {
  readonly tx: SqliteTransaction;
  /** What the file failed of. */
  failure: unknown;
  #isOpen = true;

  constructor({ connection, path }: OpenTransaction) {
    this.tx = Object.freeze({
      run: (sql, parameters = []) => this.#do(sql, () => connection.run(sql, parameters.map(toValue))),
      get: (sql, parameters = []) => this.#do(sql, () => connection.get(sql, parameters.map(toValue))),
      all: (sql, parameters = []) => this.#do(sql, () => connection.all(sql, parameters.map(toValue))),
    } satisfies SqliteTransaction);
    open.set(this.tx, { connection, path });
  }

  end(): void {
    this.#isOpen = false;
    open.delete(this.tx);
  }

  #do<T>(sql: string, work: () => T): T {
    if (!this.#isOpen)
      throw expected(
        'INVALID_OPTION',
        '`tx`',
        'used before its handler returns',
        'a call after the transaction has ended',
      );
    // Whoever ends a transaction by hand would part what belongs together.
    if (typeof sql !== 'string' || endsTransaction(sql, 'flat'))
      throw expected('INVALID_OPTION', 'a statement of `tx`', 'SQL that neither begins nor ends transactions', sql);
    try {
      return work();
    } catch (error) {
      if (BROKEN.has(sqliteCode(error) ?? '')) this.failure = error;
      throw error;
    }
  }
}

function toValue(value: unknown): SqlValue {
  if (value === null || typeof value === 'string' || Buffer.isBuffer(value)) return value;
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  throw expected('INVALID_OPTION', 'a parameter of `tx`', 'null, text, a finite number, true, false or bytes', value);
}
