import type { Range } from '../../lib/plugin.ts';
import type { Connections, Session } from './connections.ts';
import { positionOf } from './counter.ts';
import type { Names } from './names.ts';
import { actAsOwner } from './owner.ts';
import { lackingPartitions, reachOf } from './plan-partitions.ts';
import type { Layout, Span } from './plan-partitions.ts';

export interface Partition extends Span {
  readonly name: string;
}

interface Made {
  /** So many; there may be more to make behind the most. */
  readonly made: number;
  /** Positions below it have a partition once it is committed. */
  readonly reach: number;
}

/** Partitions made in one transaction: others wait until it ends, and the server has room for so many locks. */
const MOST = 64;

/**
 * The log's partitions, ranges of positions. They are made ahead, when the newest is half full, and attached rather than
 * created in their place, so that neither readers nor writers wait for it.
 */
export class Partitions {
  readonly #connections: Connections;
  readonly #names: Names;
  readonly #size: number;
  /** Positions below it have a partition, as was committed and as far as is known here. */
  #end = 0;
  #making: Promise<void> | undefined;

  constructor(connections: Connections, names: Names, size: number) {
    this.#connections = connections;
    this.#names = names;
    this.#size = size;
  }

  /** Makes what is missing for positions up to `last`; `anew` where what was known here does not hold any more. */
  async upTo(last: number, { anew = false } = {}): Promise<void> {
    if (anew || last >= this.#end) await this.#provide([{ from: 1, to: last }], anew);
  }

  /** Makes what is missing for these rising positions, and nothing for those between them. */
  async holding(positions: readonly number[]): Promise<void> {
    if (positions.length === 0 || positions.at(-1)! < this.#end) return;
    const ranges = positions.map((position) => ({ from: position, to: position }));
    await this.#provide(ranges, true);
  }

  /** Before opening: it may be another log by now. */
  forget(): void {
    this.#end = 0;
  }

  /**
   * The log has come to `position`: makes the next partition in time. What fails is tried again with a later one, and
   * told to the append that finds none.
   */
  reached(position: number): void {
    if (position < this.#end - this.#size / 2) return;
    this.#making ??= this.upTo(position + this.#size)
      .catch(() => undefined)
      .finally(() => (this.#making = undefined));
  }

  async idle(): Promise<void> {
    await this.#making;
  }

  /** Within a transaction, what is missing for rising ranges, but not more than a few; one process at a time. */
  async make(session: Session, ranges: readonly Range[]): Promise<Made> {
    const { known, head } = await this.#begin(session);
    const lacking = lackingPartitions({ known, head }, ranges, this.#size, MOST);
    for (const { from, end } of lacking) await this.#attach(session, from, end);
    const reach = reachOf({ known: [...known, ...lacking].toSorted((a, b) => a.from - b.from), head });
    return { made: lacking.length, reach };
  }

  /** By rising positions. */
  async list(session: Pick<Session, 'query'>): Promise<Partition[]> {
    const { rows } = await session.query(
      `SELECT c.relname, pg_get_expr(c.relpartbound, c.oid)
       FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = $1::regclass`,
      [this.#names.of('events')],
    );
    // One that is dropped at this moment has no bounds any more.
    const partitions = rows.flatMap(([name, bounds]) => {
      const [from, end] = [...(bounds ?? '').matchAll(/'(\d+)'/g)].map((match) => Number(match[1]));
      return from === undefined || end === undefined ? [] : [{ name: name!, from, end }];
    });
    return partitions.toSorted((a, b) => a.from - b.from);
  }

  async #provide(ranges: readonly Range[], anew: boolean): Promise<void> {
    let isNew = anew;
    for (let made = MOST; made === MOST;) {
      ({ made, reach: this.#end } = await this.#connections.transaction((session) => this.make(session, ranges)));
      isNew ||= made > 0;
    }
    if (isNew) await this.#changeOnceMore();
  }

  /** Takes the lock and the owner's role. */
  async #begin(session: Session): Promise<Layout> {
    await session.query('SELECT pg_advisory_xact_lock($1::bigint)', [this.#names.lockKey]);
    await actAsOwner(session, this.#names);
    return { known: await this.list(session), head: await positionOf(session, this.#names) };
  }

  async #attach(session: Session, from: number, end: number): Promise<void> {
    const parent = this.#names.of('events');
    const name = this.#names.of(`events_${from}`);
    await session.query(
      `CREATE TABLE ${name} (LIKE ${parent} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES)`,
    );
    await session.query(`ALTER TABLE ${parent} ATTACH PARTITION ${name} FOR VALUES FROM (${from}) TO (${end})`);
  }

  /**
   * A backend that makes its list of partitions at the very moment of a commit that attaches one may keep a list without
   * it (seen with PostgreSQL 18) until the table changes again: inserts find no partition there, and a read would pass
   * over it. So the table changes again, by nothing, long before the partition is written to.
   */
  async #changeOnceMore(): Promise<void> {
    await this.#connections.query(
      `ALTER TABLE ONLY ${this.#names.of('events')} ALTER COLUMN position SET STATISTICS -1`,
    );
  }
}
