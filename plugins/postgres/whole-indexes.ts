import type { Connections, Session } from './connections.ts';
import { positionOf } from './counter.ts';
import { createIndex } from './ddl.ts';
import type { WantedIndex } from './ddl.ts';
import type { Names } from './names.ts';

export interface WholeIndexesPort {
  readonly connections: Connections;
  readonly names: Names;
  readonly wanted: readonly WantedIndex[];
  readonly unwanted: readonly WantedIndex[];
}

type Query = Pick<Session, 'query'>;

/** The indexes of all partitions together, which new partitions take part in; nothing is done while somebody builds. */
export class WholeIndexes {
  readonly #port: WholeIndexesPort;

  constructor(port: WholeIndexesPort) {
    this.#port = port;
  }

  /** Of those that are to go. */
  async leftovers(session: Query): Promise<readonly WantedIndex[]> {
    const { unwanted } = this.#port;
    const there = await this.#there(session, unwanted);
    return unwanted.filter(({ name }) => there.has(name));
  }

  /** Makes all that lack, or none. Partitions with events get their part later, without keeping anybody waiting. */
  async make(lockMs: number): Promise<void> {
    const { connections, names } = this.#port;
    if ((await this.#lacking(connections)).length === 0) return;
    await this.#alone(lockMs, async (session) => {
      const isEmpty = (await positionOf(session, names)) === 0;
      for (const index of await this.#lacking(session)) await session.query(createIndex(names, index, isEmpty));
    });
  }

  /** With the parts that were built already and take no part in it yet. */
  async drop(lockMs: number): Promise<void> {
    const { connections, names } = this.#port;
    if ((await this.leftovers(connections)).length === 0) return;
    await this.#alone(lockMs, async (session) => {
      for (const { name, part } of await this.leftovers(session)) {
        await session.query(`DROP INDEX ${names.inSchema(name)}`);
        const { rows } = await session.query(
          `SELECT c.relname FROM pg_inherits h JOIN pg_class t ON t.oid = h.inhrelid
           JOIN pg_index x ON x.indrelid = t.oid JOIN pg_class c ON c.oid = x.indexrelid
           WHERE h.inhparent = $1::regclass AND c.relname = $2 || substr(t.relname, $3::int)`,
          [names.of('events'), part, names.plain('events').length + 1],
        );
        for (const [left] of rows) await session.query(`DROP INDEX ${names.inSchema(left!)}`);
      }
    });
  }

  async #lacking(session: Query): Promise<readonly WantedIndex[]> {
    const { wanted } = this.#port;
    const there = await this.#there(session, wanted);
    return wanted.filter(({ name }) => !there.has(name));
  }

  async #there(session: Query, indexes: readonly WantedIndex[]): Promise<ReadonlySet<string>> {
    if (indexes.length === 0) return new Set();
    const { rows } = await session.query(
      `SELECT c.relname FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid
       WHERE x.indrelid = $1::regclass AND c.relname = ANY ($2::text[])`,
      [this.#port.names.of('events'), indexes.map(({ name }) => name)],
    );
    return new Set(rows.map(([name]) => name!));
  }

  async #alone(lockMs: number, work: (session: Session) => Promise<void>): Promise<void> {
    const { connections, names } = this.#port;
    await connections.transaction(async (session) => {
      await session.query(`SET LOCAL lock_timeout = ${lockMs}`);
      const { rows } = await session.query('SELECT pg_try_advisory_xact_lock($1::bigint)', [names.indexerKey]);
      if (rows[0]![0] === 't') await work(session);
    });
  }
}
