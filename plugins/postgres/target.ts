import { setTimeout as wait } from 'node:timers/promises';
import { Lazy, TelltaleError, Thrown, isTelltaleError, toError } from '../../lib/plugin.ts';
import type { CheckpointTarget, CommitAnswer, RetryAnswer, SkippedEvent, TargetCheckpoint } from '../../lib/plugin.ts';
import { CheckpointTable } from './checkpoint-table.ts';
import { Connections } from './connections.ts';
import type { Session } from './connections.ts';
import type { PgClient, PgPool } from './driver.ts';
import { isAftermath, isOfTheConnection, isRefusal, openingFailure } from './failures.ts';
import { mustBeAll, parseTarget } from './options.ts';
import type { ParsedTarget, PostgresTargetOptions } from './options.ts';
import { Handed } from './transactions.ts';
import type { PostgresTransaction } from './transactions.ts';

/** Tables in a PostgreSQL database that consumers write, and how far they have come, in one. */
export interface PostgresTarget extends CheckpointTarget<PostgresTransaction> {
  /** Ends a pool of its own; the next use makes another. */
  close(): Promise<void>;
}

/**
 * Projections in a PostgreSQL database: what a handler writes through `tx` (`run`, `get`, `all`, each to be awaited) and
 * its checkpoint are committed together at READ COMMITTED, so that every event takes effect exactly once. Where the log is a
 * `postgres` store in the same database, what a handler publishes is committed with the rest.
 *
 * Two tables, `projection_checkpoints` and `projection_skipped`, are made in `schema` (`telltale`). Several consumers may
 * share a target. Where the server is away, a transaction is tried again for `retryFor`, the handler too; then the consumer
 * pauses. A handler must not keep its transaction idle for more than twice the `timeout`.
 *
 * @param options a url, a pool of `pg`, or more; without them the url in `DATABASE_URL`
 * @throws `INVALID_OPTION`. A consumer pauses, or does not start, with `TARGET_BROKEN` where the table is another
 * program's, `STORE_ACCESS`, `STORE_VERSION`, `STORE_UNAVAILABLE`, `NOT_SUPPORTED` without the package `pg`.
 *
 * ```js
 * const views = postgresTarget(pool)
 * bus.consume('totals', 'order.placed', async ({ payload }, { tx }) => {
 *   await tx.run('INSERT INTO totals VALUES ($1, $2) ON CONFLICT (day) DO UPDATE SET sum = totals.sum + excluded.sum', [payload.day, payload.sum])
 * }, { checkpointIn: views })
 * ```
 */
export function postgresTarget(options?: string | PgPool | PostgresTargetOptions): PostgresTarget;
export function postgresTarget(options?: string | PgPool | PostgresTargetOptions, more?: unknown): PostgresTarget {
  mustBeAll('postgresTarget', more);
  return new DatabaseOfViews(parseTarget(options, process.env['DATABASE_URL']));
}

type Run = (tx: PostgresTransaction) => unknown;

const FIRST_WAIT_MS = 10;
const LONGEST_WAIT_MS = 2_000;
const AWAY: ReadonlySet<string> = new Set(['STORE_UNAVAILABLE', 'STORE_ACCESS']);

/**
 * Order: transactions of different checkpoints run side by side, as many as the pool has connections.
 * Failure: what a transaction fails of is rolled back. A commit whose end nobody knows is looked up, behind the lock it may
 * still hold, before anything is run again.
 */
class DatabaseOfViews implements PostgresTarget {
  readonly #options: ParsedTarget;
  readonly #table: CheckpointTable;
  /** Of commits whose end is not known: what their checkpoints say if they have been carried out. */
  readonly #inDoubt = new Map<string, string>();
  readonly #opened = new Lazy<Connections>();

  constructor(options: ParsedTarget) {
    this.#options = options;
    this.#table = new CheckpointTable(options.schema);
  }

  async claim(given: TargetCheckpoint): Promise<TargetCheckpoint> {
    return this.#patiently((connections) =>
      connections.transaction((session) => this.#table.claim(session, given)),
    ).catch((error: unknown) => {
      throw error instanceof Thrown ? error.cause : error;
    });
  }

  async commit(checkpoints: readonly TargetCheckpoint[], run: Run): Promise<CommitAnswer> {
    const begin = async (session: Session): Promise<CommitAnswer> => {
      const known = await this.#table.lock(session, checkpoints);
      if (this.#wasCarriedOut(checkpoints, known)) return 'known';
      return this.#table.goBack(session, checkpoints, known);
    };
    return this.#transaction({ run, checkpoints, begin });
  }

  retry(event: SkippedEvent, run: Run): Promise<RetryAnswer> {
    return this.#transaction({ run, checkpoints: [], begin: (session) => this.#table.take(session, event) });
  }

  async #transaction<Answer extends RetryAnswer>(work: Work<Answer>): Promise<Answer> {
    try {
      return await this.#patiently((connections) => this.#commit(connections, work));
    } catch (error) {
      if (error instanceof Thrown) throw error.cause;
      if (!isTelltaleError(error) || !AWAY.has(error.code)) throw error;
      throw new TelltaleError('TARGET_BROKEN', `the target database failed: ${error.message}`, { cause: error });
    }
  }

  async close(): Promise<void> {
    const connections = await this.#opened.take();
    await connections?.close();
  }

  async #commit<Answer extends RetryAnswer>(
    connections: Connections,
    { run, checkpoints, begin }: Work<Answer>,
  ): Promise<Answer> {
    let isCommitting = false;
    let answer: Answer;
    try {
      await connections.transaction(async (session, client) => {
        answer = await begin(session);
        if (answer !== undefined) return;
        const handed = await this.#hand(run, { connections, client });
        await this.#table.write(session, checkpoints);
        if (handed.late !== undefined) throw handlersDoing('not all was done when the handler ended', handed.late);
        isCommitting = true;
      });
    } catch (error) {
      if (!isCommitting) throw error;
      if (isRefusal(error)) throw handlersDoing('the transaction could not be committed', error);
      for (const one of checkpoints) this.#inDoubt.set(one.key, signOf(one));
      throw error;
    }
    for (const { key } of checkpoints) this.#inDoubt.delete(key);
    return answer!;
  }

  #wasCarriedOut(given: readonly TargetCheckpoint[], known: ReadonlyMap<string, TargetCheckpoint>): boolean {
    if (given.length === 0) return false;
    return given.every((one) => {
      const there = known.get(one.key);
      return this.#inDoubt.get(one.key) === signOf(one) && there !== undefined && signOf(there) === signOf(one);
    });
  }

  async #hand(run: Run, { connections, client }: Hands): Promise<Handed> {
    const handed = new Handed({ client, connections }, this.#options.timeoutMs);
    let thrown: Thrown | undefined;
    try {
      await run(handed.tx);
    } catch (error) {
      thrown = new Thrown(error);
    }
    await handed.end();
    handed.forget();
    // A statement whose end nobody heard of may still be carried out: whatever the handler made of that, it runs again.
    if (handed.failure !== undefined) throw toError(handed.failure);
    const isTrueCause = handed.refusal === undefined || thrown?.cause === handed.refusal || !isAftermath(thrown?.cause);
    if (thrown !== undefined && isTrueCause) throw thrown;
    if (handed.refusal === undefined) return handed;
    throw handlersDoing('a statement was refused, and the handler went on', handed.refusal);
  }

  async #patiently<T>(work: (connections: Connections) => Promise<T>): Promise<T> {
    const end = performance.now() + this.#options.retryForMs;
    for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)) {
      try {
        return await work(await this.#opened.get(() => this.#connect()));
      } catch (error) {
        const failure = openingFailure(error, 'PostgreSQL');
        const mayPass = failure.code === 'STORE_UNAVAILABLE' && isOfTheConnection(error);
        if (!mayPass || performance.now() + waitMs > end) throw failure;
      }
      await wait(waitMs);
    }
  }

  async #connect(): Promise<Connections> {
    const { place, poolSize, timeoutMs, setup } = this.#options;
    const connections = new Connections(place, poolSize, timeoutMs);
    await connections.open();
    try {
      await connections.transaction(async (session, client) => {
        await this.#table.bring(session);
        if (setup) await this.#hand(setup, { connections, client });
      });
      return connections;
    } catch (error) {
      await connections.close();
      throw error;
    }
  }
}

interface Work<Answer> {
  readonly run: Run;
  readonly checkpoints: readonly TargetCheckpoint[];
  /** Anything but undefined: `run` is not run, and this is answered. */
  readonly begin: (session: Session) => Promise<Answer>;
}

interface Hands {
  readonly connections: Connections;
  readonly client: PgClient;
}

/** The same for what is committed twice. */
const signOf = ({ position, epoch }: TargetCheckpoint): string => `${position} of ${epoch}`;

function handlersDoing(text: string, cause: unknown): TelltaleError {
  return new TelltaleError('HANDLER_FAILED', `${text}: ${toError(cause).message}`, { cause });
}
