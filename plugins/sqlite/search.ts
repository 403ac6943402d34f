import { BLOCK_EVENT_BYTES, BLOCK_POSITIONS, BlockBuilder, Slice, entriesOf } from '../../lib/plugin.ts';
import type {
  BlockEntry,
  BlockEvent,
  BlockSource,
  BlockStore,
  Clock,
  FoundEntries,
  FoundEntry,
} from '../../lib/plugin.ts';
import type { Connection } from './connection.ts';
import { lastChange, readLog } from './log.ts';
import { WHOLE, salvage } from './records.ts';
import { bytesIn } from './texts.ts';
import type { Writer } from './writer.ts';

/** Events that are read in one go. */
const ROWS = 16;

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

const LOOK = `
SELECT block, NULL AS trigram, NULL AS places
FROM (SELECT value AS asked FROM json_each(?)) CROSS JOIN telltale_search_blocks ON block = asked
UNION ALL
SELECT block, trigram, places
FROM (SELECT value AS asked FROM json_each(?)) CROSS JOIN (SELECT value AS wanted FROM json_each(?))
CROSS JOIN telltale_search ON block = asked AND trigram = wanted`;

/** What the file has of the blocks, in one statement: it sees one moment. */
export class SearchBlocks implements BlockSource {
  readonly #reader: Connection;
  readonly #slice = new Slice();

  constructor(reader: Connection) {
    this.#reader = reader;
  }

  async look(blocks: readonly number[], trigrams: readonly string[]): Promise<FoundEntries> {
    if (this.#slice.isOver) await this.#slice.rest();
    const asked = JSON.stringify(blocks);
    const written: number[] = [];
    const entries: FoundEntry[] = [];
    for (const { block, trigram, places } of this.#reader.all(LOOK, [asked, asked, JSON.stringify(trigrams)])) {
      if (places === null) written.push(block as number);
      else entries.push({ block: block as number, trigram: trigram as string, places: bytesIn(places!) });
    }
    return { written, entries };
  }
}

interface Connected {
  readonly reader: Connection;
  readonly writer?: { readonly turns: Writer };
}

/** Writes the blocks of a file in the background. A file that is only read has nobody to write. */
export function searchBuilder({ reader, writer }: Connected, clock: Clock): BlockBuilder | undefined {
  if (writer === undefined) return undefined;
  const store: BlockStore = {
    log: async () => ({ position: readLog(reader).position, changes: lastChange(reader) }),
    async written(first, last) {
      const sql = 'SELECT block FROM telltale_search_blocks WHERE block >= ? AND block <= ?';
      return reader.all(sql, [first, last]).map((row) => row['block'] as number);
    },
    async write(block) {
      const serial = lastChange(reader);
      return insert(writer.turns, { block, serial, entries: await entriesOf(eventsOf(reader, block)) });
    },
  };
  const builder = new BlockBuilder(store, clock);
  builder.look();
  return builder;
}

interface Written {
  readonly block: number;
  /** Of the last change before its events were read. */
  readonly serial: number;
  readonly entries: readonly BlockEntry[];
}

/**
 * In short transactions, so that nobody waits long for the lock: the block counts only with the last of them. False
 * where something was removed or rewritten meanwhile; what was written before that has gone with it.
 */
async function insert(writer: Writer, { block, serial, entries }: Written): Promise<boolean> {
  for (let at = 0; at <= entries.length;) {
    const next = await writer.transaction((connection) => {
      if (lastChange(connection) !== serial) return undefined;
      const slice = new Slice();
      for (let i = at; i < entries.length; i++) {
        if (slice.isOver) return i;
        const { trigram, places } = entries[i]!;
        connection.run(INSERT_ENTRY, [block, trigram, places]);
      }
      connection.run('INSERT OR IGNORE INTO telltale_search_blocks (block) VALUES (?)', [block]);
      return entries.length + 1;
    });
    if (next === undefined) return false;
    at = next;
    await new Promise((resolve) => setImmediate(resolve));
  }
  return true;
}

const INSERT_ENTRY = 'INSERT OR REPLACE INTO telltale_search (block, trigram, places) VALUES (?, ?, ?)';
const WITHIN = 'FROM telltale_events WHERE position > ? AND position <= ?';

/** The events of a block as it is written. */
export async function* eventsOf(reader: Connection, block: number): AsyncGenerator<BlockEvent> {
  let after = block * BLOCK_POSITIONS;
  const end = after + BLOCK_POSITIONS;
  for (const row of reader.all(`SELECT position ${WITHIN} AND bytes > ${BLOCK_EVENT_BYTES}`, [after, end]))
    yield { position: row['position'] as number };
  const sql = `SELECT ${WHOLE} ${WITHIN} AND bytes <= ${BLOCK_EVENT_BYTES} ORDER BY position LIMIT ${ROWS}`;
  for (let rows = reader.all(sql, [after, end]); rows.length > 0; rows = reader.all(sql, [after, end])) {
    for (const row of rows) {
      const { event, isWhole } = await salvage(row);
      yield isWhole ? { position: event.position, event } : { position: event.position };
      after = event.position;
    }
  }
}
