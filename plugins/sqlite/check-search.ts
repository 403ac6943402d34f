import { BLOCK_POSITIONS, entriesOf, sameEntries } from '../../lib/plugin.ts';
import type { BlockEntry } from '../../lib/plugin.ts';
import type { Connection } from './connection.ts';
import { rowsOf } from './findings.ts';
import type { Findings } from './findings.ts';
import { eventsOf, hasSearch } from './search.ts';
import { asBytes, bytesIn, legible } from './texts.ts';

const BLOCKS = 'SELECT block FROM telltale_search_blocks WHERE block > ? ORDER BY block LIMIT ?';
const ENTRIES = `SELECT ${asBytes('trigram')}, CAST(places AS BLOB) AS places FROM telltale_search WHERE block = ?`;

/** What is written of each block is what its events have: an entry that is missing hides them from every search. */
export async function checkSearch(reader: Connection, findings: Findings): Promise<void> {
  if (!hasSearch(reader)) return;
  for await (const row of rowsOf(reader, BLOCKS, { keys: ['block'], first: [-1], limit: 1_024 })) {
    const block = row['block'] as number;
    const wanted = await entriesOf(eventsOf(reader, block));
    if (sameEntries(wanted, entriesIn(reader, block))) continue;
    const first = block * BLOCK_POSITIONS + 1;
    const last = first + BLOCK_POSITIONS - 1;
    findings.add(`the index of texts (telltale_search) does not have what the events up to ${last} say`, first);
  }
}

function entriesIn(reader: Connection, block: number): BlockEntry[] {
  return reader
    .all(ENTRIES, [block])
    .map(({ trigram, places }) => ({ trigram: legible(trigram), places: bytesIn(places!) }));
}
