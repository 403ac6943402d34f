import { TelltaleError, expected, mustNotEnd, toError, usedLate } from '../../lib/plugin.ts';
import type { Connection } from './connection.ts';
import { sqliteCode } from './driver.ts';
import type { SqlRow, SqlValue } from './driver.ts';
import { shapeOf } from './statement-shape.ts';
import type { StatementShape } from './statement-shape.ts';
import { bytesIn } from './texts.ts';

/** What goes into a statement; true and false become 1 and 0. */
export type SqliteParameter = SqlValue | boolean;

/**
 * The transaction of a handler. Its functions may be taken out, and are the same whatever the driver: one statement, with a
 * value for each `?` in it. They throw what SQLite refuses, `INVALID_OPTION` for what it should not be asked, and
 * `HANDLER_FAILED` when a statement before has rolled the transaction back (`OR ROLLBACK`, `RAISE(ROLLBACK)`).
 */
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

const open = new WeakMap<object, Handed>();

/** What lies behind what a handler is given, until that has ended. */
export const transactionOf = (tx: unknown): Handed | undefined => open.get(tx as object);

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

type Work<T> = (values: readonly SqlValue[], shape: StatementShape) => T;

/** Hands out a transaction that somebody else has begun, and will end after `end`. */
export class Handed implements OpenTransaction {
  readonly connection: Connection;
  readonly path: string;
  readonly tx: SqliteTransaction;
  /** What the file failed of. */
  failure: unknown;
  readonly #isTransaction: boolean;
  #refusal: unknown;
  #isOpen = true;

  constructor({ connection, path }: OpenTransaction) {
    this.connection = connection;
    this.path = path;
    this.#isTransaction = connection.inTransaction;
    this.tx = Object.freeze({
      run: (sql, parameters = []) =>
        this.#do(sql, parameters, (values, { changesRows }) => {
          const changed = connection.run(sql, values);
          return changesRows ? changed : 0;
        }),
      get: (sql, parameters = []) =>
        this.#do(sql, parameters, (values) => {
          const row = connection.prepare(sql, 'exact').get(values);
          return row && plain(row);
        }),
      all: (sql, parameters = []) =>
        this.#do(sql, parameters, (values) => connection.prepare(sql, 'exact').all(values).map(plain)),
    } satisfies SqliteTransaction);
    open.set(this.tx, this);
  }

  end(): void {
    this.#isOpen = false;
    open.delete(this.tx);
  }

  /**
   * Throws `HANDLER_FAILED` where a statement has ended the transaction: whatever is written from there on would be there
   * without the rest.
   */
  mustGoOn(): void {
    if (!this.#isTransaction || this.connection.inTransaction) return;
    const why = this.#refusal === undefined ? '' : `: ${toError(this.#refusal).message}`;
    throw new TelltaleError('HANDLER_FAILED', `a statement has rolled the transaction back${why}`, {
      ...(this.#refusal !== undefined && { cause: this.#refusal }),
    });
  }

  #do<T>(sql: string, parameters: readonly unknown[], work: Work<T>): T {
    if (!this.#isOpen) throw usedLate();
    this.mustGoOn();
    const shape = checked(sql, parameters);
    const values = parameters.map(toValue);
    try {
      return work(values, shape);
    } catch (error) {
      this.#refusal = error;
      if (BROKEN.has(sqliteCode(error) ?? '')) this.failure = error;
      throw error;
    }
  }
}

/** What the libraries take in different ways, or for something else than was meant. */
function checked(sql: string, parameters: readonly unknown[]): StatementShape {
  mustNotEnd(sql, 'flat');
  if (!Array.isArray(parameters)) throw expected('INVALID_OPTION', 'the parameters of `tx`', 'a list', parameters);
  const shape = knownShapeOf(sql);
  if (shape.statements !== 1 || sql.includes('\0'))
    throw expected('INVALID_OPTION', 'the SQL of `tx`', 'one statement', `${shape.statements}: ${sql.slice(0, 200)}`);
  if (shape.isNamed)
    throw expected('INVALID_OPTION', 'the parameters in a statement of `tx`', 'each a `?`', sql.slice(0, 200));
  if (shape.parameters !== parameters.length)
    throw expected(
      'INVALID_OPTION',
      'the parameters of `tx`',
      `a list of ${shape.parameters}, one for each \`?\``,
      `${parameters.length}`,
    );
  return shape;
}

/** Handlers say the same again and again. */
const shapes = new Map<string, StatementShape>();
const MAX_SHAPES = 256;
const MAX_LENGTH = 10_000;

function knownShapeOf(sql: string): StatementShape {
  let shape = shapes.get(sql);
  if (shape !== undefined) return shape;
  shape = shapeOf(sql);
  if (shapes.size >= MAX_SHAPES) shapes.delete(shapes.keys().next().value!);
  if (sql.length <= MAX_LENGTH) shapes.set(sql, shape);
  return shape;
}

/** A row as every driver can hand it out. Throws `INVALID_OPTION` for an integer that a number cannot hold. */
function plain(row: SqlRow): SqlRow {
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, handedOut(value)]));
}

function handedOut(value: SqlValue | bigint | ArrayBuffer): SqlValue {
  if (value instanceof ArrayBuffer) return bytesIn(value);
  if (typeof value !== 'bigint') return value;
  if (Number.isSafeInteger(Number(value))) return Number(value);
  throw expected('INVALID_OPTION', 'an integer that `tx` answers with', 'within ±(2^53 - 1); CAST it AS TEXT', value);
}

function toValue(value: unknown): SqlValue {
  if (value === null || Buffer.isBuffer(value)) return value;
  // libsql would keep what comes before it, and nothing else.
  if (typeof value === 'string' && !value.includes('\0')) return value;
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  throw expected(
    'INVALID_OPTION',
    'a parameter of `tx`',
    'null, text without NUL, a finite number, true, false or bytes',
    value,
  );
}
