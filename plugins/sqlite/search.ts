import { BLOCK_POSITIONS, BlockBuilder, Slice, entriesOf } from '../../lib/plugin.ts';
import type { BlockSource, BlockStore, FoundEntry, StoredEvent } from '../../lib/plugin.ts';
import type { Connection } from './connection.ts';
import { lastChange, readLog } from './log.ts';
import { WHOLE, decode } from './records.ts';
import type { Writer } from './writer.ts';

/**
 * Blocks of trigrams, see `text-blocks.ts`. Triggers take a block out with the first event of it that is removed or
 * rewritten, whoever does it: nothing of that event stays legible.
 */
const BLOCK = `(OLD.position - 1) / ${BLOCK_POSITIONS}`;
const FORGET = `DELETE FROM telltale_search_blocks WHERE block = ${BLOCK}; DELETE FROM telltale_search WHERE block = ${BLOCK};`;
const TABLES = `
CREATE TABLE telltale_search_blocks (block INTEGER PRIMARY KEY);
CREATE TABLE telltale_search (
  block INTEGER NOT NULL,
  trigram TEXT NOT NULL,
  places BLOB NOT NULL,
  PRIMARY KEY (block, trigram)
) WITHOUT ROWID;
CREATE TRIGGER telltale_search_removed AFTER DELETE ON telltale_events BEGIN ${FORGET} END;
CREATE TRIGGER telltale_search_rewritten AFTER UPDATE OF payload, packed ON telltale_events BEGIN ${FORGET} END;
`;

/** Within the caller's transaction. */
export function createSearch(connection: Connection): void {
  if (!hasSearch(connection)) connection.exec(TABLES);
}

export function hasSearch(connection: Connection): boolean {
  return connection.get(`SELECT 1 AS yes FROM sqlite_master WHERE name = 'telltale_search'`) !== undefined;
}

/** What the file has of the blocks. */
export class SearchBlocks implements BlockSource {
  readonly #reader: Connection;
  readonly #slice = new Slice();

  constructor(reader: Connection) {
    this.#reader = reader;
  }

  async written(first: number, last: number): Promise<readonly number[]> {
    const sql = 'SELECT block FROM telltale_search_blocks WHERE block >= ? AND block <= ?';
    return this.#reader.all(sql, [first, last]).map((row) => row['block'] as number);
  }

  async entries(blocks: readonly number[], trigrams: readonly string[]): Promise<readonly FoundEntry[]> {
    const sql =
      'SELECT block, places FROM (SELECT value AS asked FROM json_each(?)) CROSS JOIN telltale_search ON block = asked AND trigram = ?';
    const found: FoundEntry[] = [];
    const list = JSON.stringify(blocks);
    for (const trigram of trigrams) {
      if (this.#slice.isOver) await this.#slice.rest();
      for (const row of this.#reader.all(sql, [list, trigram])) {
        const places = row['places'] as Uint8Array | ArrayBuffer;
        const bytes = places instanceof Uint8Array ? places : new Uint8Array(places);
        found.push({ block: row['block'] as number, trigram, places: bytes });
      }
    }
    return found;
  }
}

interface Connected {
  readonly reader: Connection;
  readonly writer?: { readonly turns: Writer };
}

/** Writes the blocks of a file in the background; what fails is noted. A file that is only read has nobody to write. */
export function searchBuilder({ reader, writer }: Connected, notices: string[]): BlockBuilder | undefined {
  if (writer === undefined) return undefined;
  const store: BlockStore = {
    head: async () => readLog(reader).position,
    async countBelow(block) {
      return reader.get('SELECT count(*) AS count FROM telltale_search_blocks WHERE block < ?', [block])![
        'count'
      ] as number;
    },
    async write(block) {
      const serial = lastChange(reader);
      const entries = await entriesOf(await eventsOf(reader, block));
      const slice = new Slice();
      await writer.turns.transaction(async (connection) => {
        // What was removed or rewritten meanwhile is read again.
        if (lastChange(connection) !== serial) return;
        const added = connection.run('INSERT OR IGNORE INTO telltale_search_blocks (block) VALUES (?)', [block]);
        if (added === 0) return;
        for (const { trigram, places } of entries) {
          connection.run('INSERT INTO telltale_search (block, trigram, places) VALUES (?, ?, ?)', [
            block,
            trigram,
            places,
          ]);
          if (slice.isOver) await slice.rest();
        }
      });
      return true;
    },
  };
  const builder = new BlockBuilder(store, (error) => {
    notices.push(`the index of texts could not be written: ${String(error)}`);
  });
  builder.look();
  return builder;
}

async function eventsOf(reader: Connection, block: number): Promise<readonly StoredEvent[]> {
  const sql = `SELECT ${WHOLE} FROM telltale_events WHERE position > ? AND position <= ? ORDER BY position LIMIT 32`;
  const events: StoredEvent[] = [];
  const slice = new Slice();
  const end = (block + 1) * BLOCK_POSITIONS;
  for (let after = block * BLOCK_POSITIONS; ;) {
    const rows = reader.all(sql, [after, end]);
    for (const row of rows) {
      events.push((await decode(row, false)).event);
      if (slice.isOver) await slice.rest();
    }
    if (rows.length < 32) return events;
    after = rows[rows.length - 1]!['position'] as number;
  }
}
