import { BLOCK_EVENT_BYTES, BLOCK_POSITIONS, BlockBuilder, entriesOf } from '../../lib/plugin.ts';
import type { BlockEvent, BlockSource, BlockStore, Clock, FoundEntry } from '../../lib/plugin.ts';
import { bigintArray, textArray } from './arrays.ts';
import type { Connections, Session } from './connections.ts';
import { withoutCounter } from './counter.ts';
import { SEARCH_TABLES } from './names.ts';
import type { Names } from './names.ts';

type Query = Pick<Session, 'query'>;

/** Events that are read, and entries that are written, in one go. */
const ROWS = 16;
const ENTRIES = 16_384;
/** A trigger of the events, by which a log knows its tables. */
const FORGETS = 'search_removed';

/**
 * Blocks of trigrams, see `text-blocks.ts`. Triggers take a block out with the first event of it that is removed or
 * rewritten, whoever does it: nothing of that event stays legible. They wait for a block that is just being written.
 * Making them waits for whoever writes events just then.
 */
export function createSearch(names: Names): string {
  const [events, blocks, search] = ['events', 'search_blocks', 'search'].map((name) => names.of(name));
  const forget = names.of('search_forget');
  const trigger = (name: string, when: string): string =>
    `CREATE TRIGGER ${names.quoted(name)} AFTER ${when} ON ${events}
  REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION ${forget}();`;
  return `
CREATE TABLE ${blocks} (block int PRIMARY KEY);
CREATE TABLE ${search} (
  block int NOT NULL,
  trigram text COLLATE "C" NOT NULL,
  places bytea NOT NULL,
  PRIMARY KEY (block, trigram)
);
CREATE FUNCTION ${forget}() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $forget$
DECLARE
  changed int[];
BEGIN
  SELECT array_agg(DISTINCT ((g.position - 1) / ${BLOCK_POSITIONS})::int) INTO changed FROM gone g;
  IF changed IS NOT NULL THEN
    PERFORM pg_advisory_xact_lock(${names.searchKey});
    DELETE FROM ${blocks} WHERE block = ANY (changed);
    DELETE FROM ${search} WHERE block = ANY (changed);
  END IF;
  RETURN NULL;
END
$forget$;
${trigger(FORGETS, 'DELETE')}
${trigger('search_rewritten', 'UPDATE')}`;
}

/** What goes with the log, in the transaction that drops it; nothing where the tables of these names are not its own. */
export async function searchDropping(session: Query, names: Names): Promise<readonly string[]> {
  if (!(await hasSearch(session, names))) return [];
  const tables = SEARCH_TABLES.map((table) => names.of(table)).join(', ');
  return [`DROP TABLE IF EXISTS ${tables}`, `DROP FUNCTION IF EXISTS ${names.of('search_forget')}`];
}

/** A partition that is dropped as a whole tells no trigger. Blocks that reach beyond it are written anew. */
export async function forgetRange(session: Query, names: Names, from: number, to: number): Promise<void> {
  if (!(await hasSearch(session, names))) return;
  await session.query(`SELECT pg_advisory_xact_lock(${names.searchKey})`);
  const range = [Math.floor((from - 1) / BLOCK_POSITIONS), Math.floor((to - 1) / BLOCK_POSITIONS)];
  for (const table of SEARCH_TABLES)
    await session.query(`DELETE FROM ${names.of(table)} WHERE block BETWEEN $1 AND $2`, range);
}

/** Whether the log has tables of texts. Others of these names are another program's, which no query may touch. */
export async function hasSearch(session: Query, names: Names): Promise<boolean> {
  const { rows } = await session.query(
    'SELECT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = to_regclass($1) AND tgname = $2)',
    [names.of('events'), names.plain(FORGETS)],
  );
  return rows[0]![0] === 't';
}

/** What the database has of the blocks, in one statement: it sees one moment. */
export function searchBlocks(session: Query, names: Names): BlockSource {
  return {
    async look(blocks, trigrams) {
      const { rows } = await session.query(
        `SELECT block, NULL, NULL FROM ${names.of('search_blocks')} WHERE block = ANY ($1::bigint[])
         UNION ALL
         SELECT block, trigram, encode(places, 'hex') FROM ${names.of('search')}
         WHERE block = ANY ($1::bigint[]) AND trigram = ANY ($2::text[])`,
        [bigintArray(blocks), textArray(trigrams)],
      );
      const written: number[] = [];
      const entries: FoundEntry[] = [];
      for (const [block, trigram, places] of rows) {
        if (trigram === null) written.push(Number(block));
        else entries.push({ block: Number(block), trigram: trigram!, places: Buffer.from(places!, 'hex') });
      }
      return { written, entries };
    },
  };
}

export interface SearchPort {
  readonly connections: Connections;
  readonly names: Names;
  readonly clock: Clock;
}

/** Writes the blocks of a log in the background, whichever process comes first. */
export function searchBuilder({ connections, names, clock }: SearchPort): BlockBuilder {
  const store: BlockStore = {
    async log() {
      const { rows } = await connections.query(
        `SELECT position, (SELECT coalesce(max(serial), 0) FROM ${names.of('changes')}) FROM ${names.of('counter')}`,
      );
      if (rows[0] === undefined) throw withoutCounter(names);
      return { position: Number(rows[0][0]), changes: Number(rows[0][1]) };
    },
    async written(first, last) {
      const { rows } = await connections.query(
        `SELECT block FROM ${names.of('search_blocks')} WHERE block BETWEEN $1 AND $2`,
        [first, last],
      );
      return rows.map(([block]) => Number(block));
    },
    write: (block) => connections.transaction((session) => writeBlock(session, names, block)),
  };
  return new BlockBuilder(store, clock);
}

/** Removals wait for what is written here, and not for what is read before. */
async function writeBlock(session: Session, names: Names, block: number): Promise<boolean> {
  const lastChange = `SELECT coalesce(max(serial), 0) FROM ${names.of('changes')}`;
  const ask = async (text: string): Promise<string> => (await session.query(text)).rows[0]![0]!;
  if ((await ask(`SELECT pg_try_advisory_xact_lock(${names.searcherKey})`)) !== 't') return false;
  const serial = await ask(lastChange);
  const entries = await entriesOf(eventsOf(session, names, block));
  if ((await ask(`SELECT pg_try_advisory_xact_lock(${names.searchKey})`)) !== 't') return false;
  // What was removed or rewritten meanwhile is read again.
  if ((await ask(lastChange)) !== serial) return false;
  const blocks = `INSERT INTO ${names.of('search_blocks')} VALUES ($1) ON CONFLICT DO NOTHING`;
  if ((await session.query(blocks, [block])).rowCount === 0) return true;
  for (let at = 0; at < entries.length; at += ENTRIES) {
    const some = entries.slice(at, at + ENTRIES);
    await session.query(
      `INSERT INTO ${names.of('search')}
       SELECT $1, e.trigram, decode(e.places, 'hex') FROM unnest($2::text[], $3::text[]) e (trigram, places)`,
      [
        block,
        textArray(some.map(({ trigram }) => trigram)),
        textArray(some.map(({ places }) => Buffer.from(places).toString('hex'))),
      ],
    );
  }
  return true;
}

/** The events of a block as it is written. */
export async function* eventsOf(session: Query, names: Names, block: number): AsyncGenerator<BlockEvent> {
  let after = block * BLOCK_POSITIONS;
  const end = after + BLOCK_POSITIONS;
  const within = `FROM ${names.of('events')} WHERE position > $1 AND position <= $2 AND octet_length(payload)`;
  const large = await session.query(`SELECT position ${within} > ${BLOCK_EVENT_BYTES}`, [after, end]);
  for (const [position] of large.rows) yield { position: Number(position) };
  const next = `SELECT position, type, entity, payload ${within} <= ${BLOCK_EVENT_BYTES} ORDER BY position LIMIT ${ROWS}`;
  for (;;) {
    const { rows } = await session.query(next, [after, end]);
    for (const row of rows) yield eventOf(row);
    if (rows.length < ROWS) return;
    after = Number(rows.at(-1)![0]);
  }
}

function eventOf([position, type, entity, payload]: readonly (string | null)[]): BlockEvent {
  try {
    const event = {
      type: type!,
      ...(entity !== null && { entity: entity! }),
      payload: JSON.parse(payload!) as unknown,
    };
    return { position: Number(position), event };
  } catch {
    return { position: Number(position) };
  }
}
