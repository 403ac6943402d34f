import { resolve } from 'node:path';
import { Lazy, Thrown, TelltaleError, expected, isTelltaleError } from '../../lib/plugin.ts';
import type { RetryAnswer, SkippedEvent, SynchronousTarget, TargetCheckpoint } from '../../lib/plugin.ts';
import { bringCheckpoints, readNewest, takeSkipped, writeCheckpoint } from './checkpoint-table.ts';
import type { Connection } from './connection.ts';
import { connecting, unlessBusy } from './connections.ts';
import { loadDriver } from './drivers.ts';
import { toFailure } from './failure.ts';
import { asFile } from './file.ts';
import { parseTarget } from './options.ts';
import type { ParsedTarget, SqliteTargetOptions } from './options.ts';
import { APPLICATION_ID, identify } from './schema.ts';
import { Handed } from './transactions.ts';
import type { SqliteTransaction } from './transactions.ts';
import { Writer } from './writer.ts';

/** Tables in an SQLite file that consumers write, and how far they have come, in one. */
export interface SqliteTarget extends SynchronousTarget<SqliteTransaction> {
  /** Looks at the tables between two transactions. Throws what `look` throws, and as `commit` does. */
  read<T>(look: (tx: Pick<SqliteTransaction, 'get' | 'all'>) => T): Promise<T>;
  /** Gives the file back; the next use opens it again. */
  close(): Promise<void>;
}

/**
 * Projections in an SQLite file: what a handler writes through `tx` (`run`, `get`, `all`) and its checkpoint are committed
 * together, so that every event takes effect exactly once. Handlers are synchronous: while one runs, the file is locked
 * for other writers. Where the log is an `sqlite` store in the same file, what a handler publishes is committed with the
 * rest.
 *
 * The file is opened at the first use, made where it is not there, and may be any program's: two tables,
 * `telltale_checkpoints` and `telltale_skipped`, are added to it. Several consumers may share a target. In one process,
 * use one driver for a file.
 *
 * Throws `INVALID_OPTION`. A consumer pauses, or does not start, with `TARGET_BROKEN` where the file fails or the table is
 * another program's, `STORE_PATH`, `STORE_VERSION`, `STORE_UNAVAILABLE`, `NOT_SUPPORTED` without a driver.
 *
 * ```js
 * const views = sqliteTarget('./views.db', { setup: ({ run }) => run('CREATE TABLE IF NOT EXISTS totals (day TEXT PRIMARY KEY, sum REAL)') })
 * bus.consume('totals', 'order.placed', ({ payload }, { tx }) => {
 *   tx.run('INSERT INTO totals VALUES (?, ?) ON CONFLICT (day) DO UPDATE SET sum = sum + excluded.sum', [payload.day, payload.sum])
 * }, { checkpointIn: views })
 * ```
 */
export function sqliteTarget(path: string, options: SqliteTargetOptions = {}): SqliteTarget {
  return new FileOfViews(path, parseTarget(path, options));
}

interface Opened {
  readonly connection: Connection;
  readonly writer: Writer;
  readonly path: string;
}

/**
 * Order: transactions of one target run one after another; other targets and stores of the file wait for its lock.
 * Failure: what a transaction fails of is rolled back. What the file fails of is told apart from what a handler does.
 */
class FileOfViews implements SqliteTarget {
  readonly synchronous = true;
  readonly #path: string;
  readonly #options: ParsedTarget;
  readonly #opened = new Lazy<Opened>();

  constructor(path: string, options: ParsedTarget) {
    this.#path = resolve(path);
    this.#options = options;
  }

  claim(given: TargetCheckpoint): Promise<TargetCheckpoint> {
    return this.#transaction(({ connection }) => {
      const claimed = { ...(readNewest(connection, given) ?? given), epoch: given.epoch };
      writeCheckpoint(connection, claimed);
      return claimed;
    });
  }

  commit(checkpoints: readonly TargetCheckpoint[], run: (tx: SqliteTransaction) => unknown): Promise<void> {
    return this.#transaction(async (opened) => {
      for (const checkpoint of checkpoints) readNewest(opened.connection, checkpoint);
      await this.#hand(opened, run);
      for (const checkpoint of checkpoints) writeCheckpoint(opened.connection, checkpoint);
    });
  }

  retry(event: SkippedEvent, run: (tx: SqliteTransaction) => unknown): Promise<RetryAnswer> {
    return this.#transaction(async (opened) => {
      const answer = takeSkipped(opened.connection, event);
      if (answer === undefined) await this.#hand(opened, run);
      return answer;
    });
  }

  async read<T>(look: (tx: Pick<SqliteTransaction, 'get' | 'all'>) => T): Promise<T> {
    const opened = await this.#open().catch((error: unknown) => {
      throw this.#told(error);
    });
    return opened.writer.between(() => {
      const handed = new Handed(opened);
      const { get, all } = handed.tx;
      opened.connection.exec('PRAGMA query_only = ON');
      try {
        return look({ get, all });
      } finally {
        opened.connection.exec('PRAGMA query_only = OFF');
        handed.end();
      }
    });
  }

  async close(): Promise<void> {
    const opened = await this.#opened.take();
    await opened?.writer.between((connection) => connection.close());
  }

  async #hand(opened: Opened, run: (tx: SqliteTransaction) => unknown): Promise<void> {
    const handed = new Handed(opened);
    try {
      await run(handed.tx);
    } catch (error) {
      throw handed.failure === undefined ? new Thrown(error) : this.#broken(handed.failure);
    } finally {
      handed.end();
    }
    if (handed.failure !== undefined) throw this.#broken(handed.failure);
    handed.mustGoOn();
  }

  async #transaction<T>(work: (opened: Opened) => T | Promise<T>): Promise<T> {
    try {
      const opened = await this.#open();
      return await opened.writer.transaction(() => work(opened));
    } catch (error) {
      throw this.#told(error);
    }
  }

  #told(error: unknown): unknown {
    return error instanceof Thrown ? error.cause : toFailure(error, this.#path);
  }

  #open(): Promise<Opened> {
    return this.#opened.get(() => this.#connect());
  }

  async #connect(): Promise<Opened> {
    const { driver, durability, busyTimeout, setup } = this.#options;
    const path = this.#path;
    return connecting(loadDriver(driver), path, { create: true, readOnly: false }, async (connect) => {
      const { connection, file } = connect();
      connection.exec('PRAGMA busy_timeout = 0');
      const isEmpty = await unlessBusy(busyTimeout, () => asFile(path, () => isUnused(connection, path)));
      connection.exec(`PRAGMA synchronous = ${durability === 'disk' ? 'FULL' : 'NORMAL'}`);
      const writer = new Writer(connection, file, busyTimeout);
      const opened = { connection, writer, path: file.realPath };
      await writer.transaction(
        async () => {
          bringCheckpoints(connection, path);
          if (setup) await this.#hand(opened, (tx) => mustBeDone(setup(tx)));
        },
        isEmpty ? 'EXCLUSIVE' : 'IMMEDIATE',
      );
      if (isEmpty) await unlessBusy(busyTimeout, () => asFile(path, () => connection.pragma('journal_mode = WAL')));
      // SQLite makes -wal and -shm at the first look.
      connection.pragma('application_id');
      file.holdRest();
      return opened;
    });
  }

  #broken(cause: unknown): TelltaleError {
    if (isTelltaleError(cause)) return cause;
    const text = `the target file ${JSON.stringify(this.#path)} failed: ${(cause as Error).message}`;
    return new TelltaleError('TARGET_BROKEN', text, { cause, details: { file: this.#path } });
  }
}

/** One with tables stays in the mode its program has chosen; a log must be one that this version knows. */
function isUnused(connection: Connection, path: string): boolean {
  if (connection.pragma('application_id') === APPLICATION_ID) identify(connection, path);
  return connection.get('SELECT 1 AS one FROM sqlite_master LIMIT 1') === undefined;
}

/** What `setup` writes when it has returned would come too late. */
function mustBeDone(answer: unknown): void {
  if (typeof (answer as Partial<PromiseLike<unknown>> | null | undefined)?.then !== 'function') return;
  // It is refused, so nobody else would look at its rejection.
  Promise.resolve(answer).catch(() => undefined);
  throw expected('INVALID_OPTION', 'what `setup` of sqliteTarget answers', 'no Promise', answer);
}
