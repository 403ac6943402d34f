import { mustNotEnd, usedLate } from '../../lib/plugin.ts';
import { patience } from './connections.ts';
import type { Connections, Session } from './connections.ts';
import type { PgClient } from './driver.ts';
import { isOfTheConnection, isRefusal } from './failures.ts';

/** One row as `pg` makes it of what the server sends. */
export type PostgresRow = Readonly<Record<string, unknown>>;

/** The transaction of a handler. Await every call: its functions may be taken out, and reject with what the server refuses. */
export interface PostgresTransaction {
  /** Answers how many rows were changed. */
  readonly run: (sql: string, parameters?: readonly unknown[]) => Promise<number>;
  readonly get: <Row = PostgresRow>(sql: string, parameters?: readonly unknown[]) => Promise<Row | undefined>;
  readonly all: <Row = PostgresRow>(sql: string, parameters?: readonly unknown[]) => Promise<readonly Row[]>;
}

/** A transaction that is under way at READ COMMITTED. */
export interface OpenTransaction {
  readonly client: PgClient;
  readonly connections: Connections;
}

const open = new WeakMap<object, OpenTransaction>();

/** What lies behind what a handler is given, until that has ended. */
export const transactionOf = (tx: unknown): OpenTransaction | undefined =>
  typeof tx === 'object' && tx !== null ? open.get(tx) : undefined;

interface PlainResult {
  readonly rows: readonly PostgresRow[];
  readonly rowCount: number | null;
}

/** As the program's own queries go; extended, because one statement is all that a call may bring. */
interface PlainClient {
  query(query: {
    readonly text: string;
    readonly values: readonly unknown[];
    readonly queryMode: 'extended';
    readonly query_timeout: number;
  }): Promise<PlainResult>;
}

type Given = readonly [sql: string, parameters?: readonly unknown[]];

/** Hands out a transaction that somebody else has begun, and will end after `end`. */
export class Handed {
  readonly tx: PostgresTransaction;
  /** What the server refused: after that it takes nothing more in this transaction. */
  refusal: unknown;
  /** What came when the handler had ended, so that nothing of it was carried out. */
  late: Error | undefined;
  /** What the connection failed of. */
  failure: unknown;
  readonly #open: OpenTransaction;
  readonly #timeoutMs: number;
  readonly #running = new Set<Promise<unknown>>();
  #isOpen = true;

  constructor(transaction: OpenTransaction, timeoutMs: number) {
    this.#open = transaction;
    this.#timeoutMs = timeoutMs;
    const rowsOf = async <Row>(...given: Given): Promise<readonly Row[]> =>
      (await this.#query(...given)).rows as readonly Row[];
    this.tx = Object.freeze({
      all: <Row>(...given: Given) => watched(rowsOf<Row>(...given)),
      get: <Row>(...given: Given) => watched(rowsOf<Row>(...given).then(([first]) => first)),
      run: (...given: Given) => watched(this.#query(...given).then(({ rowCount }) => rowCount ?? 0)),
    });
    open.set(this.tx, transaction);
  }

  /** Nothing more is taken; resolves when what was begun has ended. */
  async end(): Promise<void> {
    this.#isOpen = false;
    await Promise.all(this.#running);
  }

  /** The transaction is over, for the log as well. */
  forget(): void {
    open.delete(this.tx);
  }

  async #query(...[text, values = []]: Given): Promise<PlainResult> {
    if (!this.#isOpen) throw (this.late = usedLate());
    mustNotEnd(text, 'nested');
    const client = this.#open.client as unknown as PlainClient;
    const answer = client.query({ text, values, queryMode: 'extended', query_timeout: patience(this.#timeoutMs) });
    const ended: Promise<void> = answer.then(
      () => void this.#running.delete(ended),
      (error: unknown) => this.#failed(ended, error),
    );
    this.#running.add(ended);
    return answer;
  }

  #failed(ended: Promise<void>, error: unknown): void {
    this.#running.delete(ended);
    if (isRefusal(error)) this.refusal ??= error;
    else if (isOfTheConnection(error)) this.failure ??= error;
  }
}

/** Who does not await it hears of it when the transaction ends. */
function watched<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}

const identities = new WeakMap<Connections, Promise<string>>();

/**
 * Does a transaction write to the database of a store? Asks no other connection of its pool: all of them may be held by
 * transactions that ask the same.
 */
export async function isIn({ client, connections: theirs }: OpenTransaction, own: Connections): Promise<boolean> {
  if (theirs.sharesPool(own)) return true;
  const areOne = async (): Promise<boolean> =>
    (await identityOf(theirs, theirs.sessionOn(client))) === (await identityOf(own, own));
  if (await areOne()) return true;
  // A server may have been started anew since one of them was asked.
  for (const connections of [theirs, own]) identities.delete(connections);
  return areOne();
}

type Asked = Pick<Session, 'query'>;

function identityOf(connections: Connections, asked: Asked): Promise<string> {
  let identity = identities.get(connections);
  if (identity !== undefined) return identity;
  identity = askIdentity(asked);
  identities.set(connections, identity);
  // Whoever asked is told; the next one asks anew.
  identity.catch(() => identities.delete(connections));
  return identity;
}

async function askIdentity(asked: Asked): Promise<string> {
  const database = '(SELECT oid FROM pg_database WHERE datname = current_database())';
  const { rows } = await asked.query(
    `SELECT ${database}, pg_postmaster_start_time(), has_function_privilege('pg_control_system()', 'execute')`,
  );
  const [oid, since, isAllowed] = rows[0]!;
  if (isAllowed !== 't') return `${oid} of the server started ${since}`;
  const cluster = await asked.query('SELECT system_identifier FROM pg_control_system()');
  return `${oid} of ${cluster.rows[0]![0]}`;
}
