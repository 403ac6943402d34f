import type { SqliteDatabase, SqliteStatement, SqlRow, SqlValue } from './driver.ts';

const NONE: readonly SqlValue[] = [];
/** Statements differ only in how many values they ask for; past this many the oldest are forgotten. */
const MAX_STATEMENTS = 256;

/** A connection that prepares each statement once. */
export class Connection {
  readonly #database: SqliteDatabase;
  readonly #statements = new Map<string, SqliteStatement>();

  constructor(database: SqliteDatabase) {
    this.#database = database;
  }

  get inTransaction(): boolean {
    return this.#database.inTransaction;
  }

  exec(sql: string): void {
    this.#database.exec(sql);
  }

  run(sql: string, parameters: readonly SqlValue[] = NONE): number {
    return this.prepare(sql).run(parameters);
  }

  get(sql: string, parameters: readonly SqlValue[] = NONE): SqlRow | undefined {
    return this.prepare(sql).get(parameters);
  }

  all(sql: string, parameters: readonly SqlValue[] = NONE): readonly SqlRow[] {
    return this.prepare(sql).all(parameters);
  }

  /** The value of a pragma. */
  pragma(name: string): SqlValue | undefined {
    return this.get(`PRAGMA ${name}`)?.[name.replace(/\W.*/, '')];
  }

  prepare(sql: string, integers?: 'exact'): SqliteStatement {
    const key = integers === undefined ? sql : `${integers}:${sql}`;
    let statement = this.#statements.get(key);
    if (statement !== undefined) return statement;
    if (this.#statements.size >= MAX_STATEMENTS) this.#statements.delete(this.#statements.keys().next().value!);
    statement = this.#database.prepare(sql, integers);
    this.#statements.set(key, statement);
    return statement;
  }

  close(): void {
    this.#statements.clear();
    this.#database.close();
  }
}
