import { TelltaleError, expected, toError } from '../../lib/plugin.ts';
import type { PgClient, PgPool, PgPoolClient, PgResult, PgSingleClient } from './driver.ts';
import { loadDriver } from './driver.ts';
import { isRefusal } from './failures.ts';
import type { Place } from './place.ts';

export type Rows = PgResult['rows'];

/** One connection in somebody's hands. */
export interface Session {
  /** Rejects within the timeout; then nobody knows whether it was carried out. */
  query(text: string, values?: readonly unknown[]): Promise<PgResult>;
}

export interface TransactionOptions {
  /** Instead of the usual timeout, for what takes long: making tables and indexes. */
  readonly timeoutMs?: number;
}

const RAW = { getTypeParser: () => (text: string) => text };
const ENDED = 'the pool has ended';
const IGNORED = (): void => undefined;
/** How much longer than the server a client waits, so that it hears why. */
const GRACE = 1.1;

/** How long a client waits for a statement that the server ends after this time. */
export const patience = (timeoutMs: number): number => Math.ceil(timeoutMs * GRACE);

/**
 * Connections to one server, from a pool that is made here or was given.
 *
 * Timeouts: every call ends within the timeout, also where the server says nothing any more; its connection is thrown
 * away then, because the answer may still come.
 * Errors: no `error` event gets past here, neither of the pool nor of a client in use.
 * Closing: a pool of its own is ended, and what does not end within the timeout, all of it together, is cut off.
 */
export class Connections {
  readonly #place: Place;
  readonly #poolSize: number;
  readonly #timeoutMs: number;
  readonly #toFailure: (thrown: unknown) => unknown;
  readonly #sockets = new Set<PgClient>();
  readonly #busy = new Set<PgClient>();
  readonly #waiting = new Set<(reason: Error) => void>();
  #isAbandoned = false;
  #pool: PgPool | undefined;
  #end: (() => Promise<void>) | undefined;
  #single: (() => PgSingleClient) | undefined;

  /** `toFailure` turns what the server refuses into what is thrown. */
  constructor(
    place: Place,
    poolSize: number,
    timeoutMs: number,
    toFailure: (thrown: unknown) => unknown = (thrown) => thrown,
  ) {
    this.#place = place;
    this.#poolSize = poolSize;
    this.#timeoutMs = timeoutMs;
    this.#toFailure = toFailure;
  }

  get figures(): { readonly open: number; readonly idle: number; readonly waiting: number } {
    const pool = this.#pool;
    return { open: pool?.totalCount ?? 0, idle: pool?.idleCount ?? 0, waiting: pool?.waitingCount ?? 0 };
  }

  /** How long a call may take. */
  get timeoutMs(): number {
    return this.#timeoutMs;
  }

  /** Whatever is asked of one may have to wait for the other. */
  sharesPool(other: Connections): boolean {
    return this === other || (this.#pool !== undefined && this.#pool === other.#pool);
  }

  /** Connects nowhere yet. Throws `NOT_SUPPORTED` without the package `pg`. */
  async open(): Promise<void> {
    this.#isAbandoned = false;
    if ('pool' in this.#place) return this.#adopt(this.#place.pool);
    const { Pool, Client } = await loadDriver();
    const options = this.#ownOptions();
    const pool = new Pool(options);
    this.#pool = pool;
    pool.on('error', IGNORED);
    pool.on('connect', (client) => {
      client.on('error', IGNORED);
      this.#sockets.add(client);
    });
    pool.on('remove', (client) => this.#sockets.delete(client));
    this.#end = () => pool.end();
    this.#single = () => new Client(options);
  }

  /** `ending` is what has to come to its end before; it has no more time than the timeout either. */
  async close(ending: () => Promise<unknown> = async () => undefined): Promise<void> {
    const ended = ending();
    const closed = ended.then(() => this.#endPool());
    await this.within(closed, 'the connections to end').catch(() => {
      this.abandon();
      this.#cut();
    });
    await ended;
  }

  /** Whatever waits for the server fails at once, and nothing more is asked until `open`. */
  abandon(): void {
    this.#isAbandoned = true;
    for (const client of this.#busy) cut(client);
    for (const fail of this.#waiting) fail(new Error(ENDED));
  }

  /** One statement on any connection. */
  async query(text: string, values: readonly unknown[] = []): Promise<PgResult> {
    return this.#with((session) => session.query(text, values));
  }

  /** At READ COMMITTED, whatever the database's default: each statement sees what was committed before it. */
  async transaction<T>(
    work: (session: Session, client: PgClient) => Promise<T>,
    options: TransactionOptions = {},
  ): Promise<T> {
    const { timeoutMs = this.#timeoutMs } = options;
    return this.#with(async (session, client, discard) => {
      await session.query(
        `BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = ${Math.ceil(timeoutMs)};
         SET LOCAL idle_in_transaction_session_timeout = ${Math.ceil(timeoutMs * 2)}`,
      );
      try {
        const result = await work(session, client);
        await session.query('COMMIT');
        return result;
      } catch (error) {
        // What follows a refusal must not stay open; a broken connection is thrown away, and the server rolls back.
        if (isRefusal(error) || error instanceof TelltaleError) await session.query('ROLLBACK').catch(discard);
        throw error;
      }
    }, timeoutMs);
  }

  /** A connection of its own, beside the pool; whoever asks for it gives it to `end`. */
  async single(): Promise<PgSingleClient> {
    const client = this.#single!();
    client.on('error', IGNORED);
    this.#sockets.add(client);
    try {
      await this.within(client.connect(), 'a connection');
    } catch (error) {
      this.cut(client);
      throw error;
    }
    return client;
  }

  /** Ends a connection of its own, politely if the server listens. Never rejects. */
  async end(client: PgSingleClient): Promise<void> {
    await this.within(client.end(), 'a connection to end').catch(() => cut(client));
    this.#sockets.delete(client);
  }

  /** Ends a connection of its own without asking the server, and with it what it waits for. */
  cut(client: PgSingleClient): void {
    this.#sockets.delete(client);
    cut(client);
  }

  /** Rejects where it takes longer than a call may take. */
  within<T>(promise: Promise<T>, what: string): Promise<T> {
    return new Promise((resolve, reject) => {
      const text = `timeout: expected ${what} within ${this.#timeoutMs} ms`;
      const timer = setTimeout(() => reject(new Error(text)), this.#isAbandoned ? 0 : this.#timeoutMs);
      this.#waiting.add(reject);
      void promise.then(resolve, reject).finally(() => {
        clearTimeout(timer);
        this.#waiting.delete(reject);
      });
    });
  }

  /** What somebody else's client does for us; its errors are his. */
  sessionOn(client: PgClient, timeoutMs = this.#timeoutMs): Session {
    return sessionOn(client, timeoutMs);
  }

  /** The same for a transaction that he has begun. */
  async sessionWithin(client: PgClient): Promise<Session> {
    const session = sessionOn(client, this.#timeoutMs);
    if (!exact.has(client)) await session.query('SET LOCAL extra_float_digits = 1');
    return session;
  }

  async #with<T>(
    work: (session: Session, client: PgClient, discard: (error: unknown) => void) => Promise<T>,
    timeoutMs = this.#timeoutMs,
  ): Promise<T> {
    const client = await this.#connect();
    this.#busy.add(client);
    let broken: Error | undefined;
    const noted = (error: unknown): void => void (broken ??= toError(error));
    client.on('error', noted);
    try {
      await beExact(client, timeoutMs);
      return await work(sessionOn(client, timeoutMs), client, noted);
    } catch (error) {
      if (!isRefusal(error) && !(error instanceof TelltaleError)) noted(error);
      throw this.#toFailure(error);
    } finally {
      this.#busy.delete(client);
      client.removeListener('error', noted);
      if (broken !== undefined) client.on('error', IGNORED);
      client.release(broken);
      if (broken !== undefined && 'pool' in this.#place) void this.#cancel(client);
    }
  }

  /**
   * What nobody waits for any more must not go on, waiting for a lock perhaps, until the server finds out. Connections
   * of our own have a `statement_timeout`; those of a pool that was given are somebody else's. Never rejects.
   */
  async #cancel({ processID }: PgPoolClient): Promise<void> {
    if (typeof processID !== 'number') return;
    try {
      const client = await this.#connect();
      const session = sessionOn(client, this.#timeoutMs);
      const cancelled = session.query('SELECT pg_cancel_backend($1)', [processID]);
      await cancelled.then(
        () => client.release(),
        (error: unknown) => client.release(toError(error)),
      );
    } catch {
      // The server is away, and with it what was to be cancelled.
    }
  }

  async #connect(): Promise<PgPoolClient> {
    const pool = this.#pool;
    if (pool === undefined || this.#isAbandoned) throw new Error(ENDED);
    const connecting = pool.connect();
    try {
      return await this.within(connecting, 'a connection');
    } catch (error) {
      // One that comes too late goes back.
      void connecting.then((client) => client.release(), IGNORED);
      throw error;
    }
  }

  #adopt(pool: PgPool): void {
    if (pool.ending === true)
      throw expected('INVALID_OPTION', '`pool` of postgres', 'a pool that has not been ended', 'an ended one');
    this.#pool = pool;
    join(pool);
    const { Client, options } = pool as PgPool & {
      readonly Client?: new (options: object) => PgSingleClient;
      readonly options?: object;
    };
    this.#single = () => {
      if (Client === undefined) throw new Error('the pool given has no `Client` to listen with');
      return new Client(options ?? {});
    };
  }

  #ownOptions(): object {
    const place = this.#place;
    const timeout = Math.ceil(this.#timeoutMs);
    return {
      application_name: 'telltale',
      keepAlive: true,
      ...('url' in place ? { connectionString: place.url } : 'connection' in place ? place.connection : {}),
      max: this.#poolSize,
      connectionTimeoutMillis: timeout,
      statement_timeout: timeout,
      idle_in_transaction_session_timeout: timeout * 2,
    };
  }

  async #endPool(): Promise<void> {
    const end = this.#end;
    if ('pool' in this.#place && this.#pool !== undefined) leave(this.#pool);
    this.#pool = undefined;
    this.#end = undefined;
    await end?.();
  }

  #cut(): void {
    for (const client of this.#sockets) cut(client);
    this.#sockets.clear();
  }
}

const users = new WeakMap<PgPool, number>();

/** One listener, however many stores share the pool. */
function join(pool: PgPool): void {
  const count = users.get(pool) ?? 0;
  if (count === 0) pool.on('error', IGNORED);
  users.set(pool, count + 1);
}

function leave(pool: PgPool): void {
  const count = users.get(pool)! - 1;
  users.set(pool, count);
  if (count === 0) pool.removeListener('error', IGNORED);
}

const exact = new WeakSet<PgClient>();

/** A server, or a role, may be set to round what it says of a float8. */
async function beExact(client: PgClient, timeoutMs: number): Promise<void> {
  if (exact.has(client)) return;
  await sessionOn(client, timeoutMs).query('SET extra_float_digits = 1');
  exact.add(client);
}

/** For what says nothing any more: `pg` waits for the server's goodbye. */
function cut(client: PgClient): void {
  (client as { readonly connection?: { readonly stream?: { destroy(): void } } }).connection?.stream?.destroy();
}

function sessionOn(client: PgClient, timeoutMs: number): Session {
  return {
    query: (text, values = []) =>
      client.query({ text, values, rowMode: 'array', types: RAW, query_timeout: patience(timeoutMs) }),
  };
}
