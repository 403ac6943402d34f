import { compileHints, decide, fillPage, withHints } from '../../lib/plugin.ts';
import type { Commit, Durability, PreparedAppends, StoredEvent } from '../../lib/plugin.ts';
import type { Connection } from './connection.ts';
import { PathList, addKeys } from './keys.ts';
import type { KeyPath } from './keys.ts';
import { advance, readLog } from './log.ts';
import type { LogRow } from './log.ts';
import { findIds } from './lookup.ts';
import type { Packed } from './packing.ts';
import { Reading } from './reading.ts';
import { RecentRevisions } from './recent-revisions.ts';
import { BYTES_AT, INSERT, insertion } from './records.ts';

/** A group commit that is ready to be decided. */
export interface Batch {
  readonly prepared: PreparedAppends;
  readonly packed: Packed;
  readonly now: number;
  readonly durability: Durability;
}

/** No head is here. */
const NOWHERE = -1;

/**
 * Decides and writes group commits within a transaction that somebody else has begun and will commit, so that what else
 * is in that transaction stands or falls with them.
 */
export class Appender {
  readonly #paths = new PathList();
  readonly #revisions = new RecentRevisions();

  /** Outcomes are what they say only once the transaction is committed. */
  async commit(connection: Connection, { prepared, packed, now, durability }: Batch): Promise<Commit> {
    const log = readLog(connection);
    const head = { position: log.position, storedAt: log.storedAt };
    this.#revisions.begin(connection, log.position);
    const reading = new Reading({ connection, check: false });
    const decision = await decide(
      prepared,
      { head, now, durability },
      {
        find: (ids) => findIds(connection, ids),
        revision: async (entities) => this.#revisions.find(connection, entities),
        page: (query) => fillPage((raw) => reading.page(raw), withHints(query), compileHints(query)),
      },
    );
    if (decision.records.length === 0) return decision;
    const bytes = this.#insert(connection, decision.records, packed, log);
    advance(connection, decision.head, decision.records.length, bytes);
    this.#revisions.note(decision.records, decision.head.position);
    return decision;
  }

  /** Writes events at their positions; answers their bytes. */
  write(connection: Connection, events: readonly StoredEvent[], packed: Packed): number {
    this.#revisions.note([], NOWHERE);
    return this.#insert(connection, events, packed, readLog(connection));
  }

  /** The paths that this transaction has to fill: another process may have given one an index. */
  paths(connection: Connection): readonly KeyPath[] {
    return this.#paths.at(connection, readLog(connection).paths);
  }

  #insert(connection: Connection, records: readonly StoredEvent[], packed: Packed, log: LogRow): number {
    const paths = this.#paths.at(connection, log.paths);
    const statement = connection.prepare(INSERT);
    let bytes = 0;
    for (const record of records) {
      const row = insertion(record, packed.get(record.payload));
      statement.run(row);
      bytes += row[BYTES_AT] as number;
      addKeys(connection, paths, record);
    }
    return bytes;
  }
}
