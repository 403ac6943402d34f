import { setTimeout as wait } from 'node:timers/promises';
import { Serial, TelltaleError } from '../../lib/plugin.ts';
import type { Connection } from './connection.ts';
import { isBusy } from './failure.ts';
import type { HeldFile } from './held-file.ts';

/** While another process has the lock, it is asked for again after this long at first, and after at most this long. */
const FIRST_WAIT_MS = 1;
const LONGEST_WAIT_MS = 20;
/** Who has waited longer asks as often as at first: SQLite has no turns, and others take it again right after they gave it back. */
const PATIENT_MS = 250;

/**
 * The one connection that writes.
 *
 * Order: transactions run one after another, in the order they were asked for.
 * Waiting: for another process's lock up to `busyTimeout`, by real time, and without holding the event loop.
 * Failure: a transaction whose work throws is rolled back; one whose COMMIT throws is rolled back where it is still
 * open, and nothing is known of it otherwise. Where the file is not at its path any more it is `STORE_FAILED`.
 */
export class Writer {
  readonly #connection: Connection;
  readonly #file: HeldFile;
  readonly #busyTimeout: number;
  readonly #turns = new Serial();

  constructor(connection: Connection, file: HeldFile, busyTimeout: number) {
    this.#connection = connection;
    this.#file = file;
    this.#busyTimeout = busyTimeout;
  }

  /**
   * Runs `work` in a transaction of its own; what it answers is given when the transaction is committed. `EXCLUSIVE`: while
   * nobody reads, either, in a file that is not in WAL mode.
   */
  transaction<T>(
    work: (connection: Connection) => T | Promise<T>,
    lock: 'IMMEDIATE' | 'EXCLUSIVE' = 'IMMEDIATE',
  ): Promise<T> {
    return this.#turns.run(() => this.#carryOut(work, lock));
  }

  /** Runs `look` on this connection while no transaction is open. */
  between<T>(look: (connection: Connection) => T): Promise<T> {
    return this.#turns.run(async () => look(this.#connection));
  }

  async #carryOut<T>(work: (connection: Connection) => T | Promise<T>, lock: string): Promise<T> {
    const connection = this.#connection;
    await this.#begin(`BEGIN ${lock}`);
    try {
      const result = await work(connection);
      this.#file.mustBeThere();
      connection.exec('COMMIT');
      this.#file.mustBeThere();
      return result;
    } catch (error) {
      this.#rollBack();
      throw error;
    }
  }

  // The lock is never waited for within SQLite, which would hold the event loop.
  async #begin(sql: string): Promise<void> {
    const since = performance.now();
    for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)) {
      try {
        this.#connection.exec(sql);
        return;
      } catch (error) {
        if (!isBusy(error)) throw error;
        const waitedMs = performance.now() - since;
        if (waitedMs >= this.#busyTimeout) throw this.#timedOut(error);
        await wait(waitedMs < PATIENT_MS ? waitMs : FIRST_WAIT_MS);
      }
    }
  }

  #rollBack(): void {
    try {
      if (this.#connection.inTransaction) this.#connection.exec('ROLLBACK');
    } catch {
      // What the work threw says more; a transaction that is still open refuses the next BEGIN.
    }
  }

  #timedOut(cause: unknown): TelltaleError {
    const { path } = this.#file;
    const text = `sqlite ${path}: another process has had the lock for ${this.#busyTimeout} ms`;
    return new TelltaleError('STORE_UNAVAILABLE', text, { cause, details: { path, answer: 'BUSY' } });
  }
}
