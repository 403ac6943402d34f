import type { Range } from '../../lib/plugin.ts';
import { bigintArray } from './arrays.ts';
import type { Connections, Session } from './connections.ts';
import type { Names } from './names.ts';

/** Older ones go: whoever is that far behind is told of the whole log. */
const KEPT = 10_000;

/**
 * What was removed and rewritten, for the listeners of other processes. A change is noted in the transaction that makes
 * it, under the lock that all changes take, so that serials are in the order of commits.
 */
export class ChangeLog {
  readonly #connections: Connections;
  readonly #table: string;
  readonly #tell: (ranges: readonly Range[]) => void;
  /** Serials of this process's own changes, whose listeners are told anyway. */
  readonly #own = new Set<number>();
  #seen = 0;
  #looking: Promise<void> | undefined;
  #again = false;

  constructor(connections: Connections, names: Names, tell: (ranges: readonly Range[]) => void) {
    this.#connections = connections;
    this.#table = names.of('changes');
    this.#tell = tell;
  }

  /** Changes from now on are told. */
  async start(): Promise<void> {
    const { rows } = await this.#connections.query(`SELECT coalesce(max(serial), 0) FROM ${this.#table}`);
    this.#seen = Number(rows[0]![0]);
    this.#own.clear();
  }

  async note(session: Session, ranges: readonly Range[]): Promise<void> {
    const { rows } = await session.query(
      `INSERT INTO ${this.#table} (from_position, to_position)
       SELECT r.first, r.last FROM unnest($1::bigint[], $2::bigint[]) r (first, last) RETURNING serial`,
      [bigintArray(ranges.map(({ from }) => from)), bigintArray(ranges.map(({ to }) => to))],
    );
    const serials = rows.map(([serial]) => Number(serial));
    for (const serial of serials) this.#own.add(serial);
    await session.query(`DELETE FROM ${this.#table} WHERE serial <= $1`, [Math.max(...serials) - KEPT]);
  }

  /** Tells what others have changed. Never rejects: what could not be read is told after the next look. */
  look(): void {
    this.#again = true;
    this.#looking ??= this.#lookAll().finally(() => (this.#looking = undefined));
  }

  async idle(): Promise<void> {
    await this.#looking;
  }

  async #lookAll(): Promise<void> {
    while (this.#again) {
      this.#again = false;
      await this.#lookOnce().catch(() => undefined);
    }
  }

  async #lookOnce(): Promise<void> {
    const { rows } = await this.#connections.query(
      `SELECT serial, from_position, to_position FROM ${this.#table} WHERE serial > $1 ORDER BY serial`,
      [this.#seen],
    );
    if (rows.length === 0) return;
    const found = rows.map(([serial, from, to]) => ({ serial: Number(serial), from: Number(from), to: Number(to) }));
    const theirs = found.filter(({ serial }) => !this.#own.has(serial));
    this.#seen = found.at(-1)!.serial;
    for (const serial of this.#own) if (serial <= this.#seen) this.#own.delete(serial);
    if (rows.length >= KEPT) this.#tell([{ from: 1, to: Math.max(...found.map(({ to }) => to)) }]);
    else if (theirs.length > 0)
      this.#tell(theirs.map(({ from, to }) => ({ from, to })).toSorted((a, b) => a.from - b.from));
  }
}
