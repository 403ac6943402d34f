import { BLOCK_POSITIONS, entriesOf, sameEntries } from '../../lib/plugin.ts';
import type { Connections, Session } from './connections.ts';
import type { Names } from './names.ts';
import { eventsOf, hasSearch } from './search.ts';

type Row = readonly (string | null)[];

interface Finding {
  readonly problem: string;
  readonly position?: number;
}

/** Positions that are looked at in one statement. */
const WINDOW = 10_000;

/**
 * What of the tables does not go together, where what is read of the log does not tell: the counter with the events, the
 * revisions of streams with those of events, the index of texts with the texts. Each statement sees one moment.
 */
export async function* inspect(connections: Connections, names: Names): AsyncGenerator<Finding> {
  const { rows } = await connections.query(
    `SELECT c.position,
       greatest((SELECT max(position) FROM ${names.of('events')}), (SELECT max(to_position) FROM ${names.of('removed')}), 0),
       (SELECT min(position) FROM ${names.of('events')} WHERE position > c.position)
     FROM ${names.of('counter')} c`,
  );
  const [head, last, first] = (rows[0] ?? []).map(Number) as [number?, number?, number?];
  if (head !== undefined && last! > head) {
    const problem = `the counter (${names.of('counter')}) is at ${head}, and there is something behind it, up to ${last}`;
    yield { problem, position: first === 0 ? last! : first! };
  }
  yield* inspectStreams(connections, names, Math.max(head ?? 0, last ?? 0));
  if (await hasSearch(connections, names)) yield* inspectSearch(connections, names);
}

/** A revision that was given is given again where its stream stands before it. */
async function* inspectStreams(connections: Connections, names: Names, end: number): AsyncGenerator<Finding> {
  for (let from = 1; from <= end; from += WINDOW) {
    for (const table of ['events', 'event_ids']) {
      const { rows } = await connections.query(
        `SELECT e.entity, max(e.revision), max(s.revision), max(e.position)
         FROM ${names.of(table)} e LEFT JOIN ${names.of('streams')} s ON s.entity = e.entity
         WHERE e.position BETWEEN $1 AND $2 AND e.entity IS NOT NULL
         GROUP BY e.entity HAVING max(e.revision) > coalesce(max(s.revision), 0) ORDER BY 4`,
        [from, from + WINDOW - 1],
      );
      yield* rows.map((row) => streamFinding(names, row));
    }
  }
}

function streamFinding(names: Names, [entity, revision, stands, position]: Row): Finding {
  const where = stands === null ? 'is missing' : `stands at ${stands}`;
  const problem = `the stream of ${entity!} (${names.of('streams')}) ${where}, and revision ${revision!} is there`;
  return { problem, position: Number(position) };
}

/** An entry that is missing hides events from every search. */
async function* inspectSearch(connections: Connections, names: Names): AsyncGenerator<Finding> {
  const next = `SELECT block FROM ${names.of('search_blocks')} WHERE block > $1 ORDER BY block LIMIT ${WINDOW}`;
  for (let rows = await blocks(-1); rows.length > 0; rows = await blocks(rows.at(-1)!)) {
    for (const block of rows) {
      if (await connections.transaction((session) => isRight(session, names, block))) continue;
      const first = block * BLOCK_POSITIONS + 1;
      const last = first + BLOCK_POSITIONS - 1;
      const problem = `the index of texts (${names.of('search')}) does not have what the events up to ${last} say`;
      yield { problem, position: first };
    }
  }

  async function blocks(after: number): Promise<number[]> {
    return (await connections.query(next, [after])).rows.map(([block]) => Number(block));
  }
}

async function isRight(session: Session, names: Names, block: number): Promise<boolean> {
  await session.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY');
  const there = await session.query(`SELECT 1 FROM ${names.of('search_blocks')} WHERE block = $1`, [block]);
  // It was taken out meanwhile.
  if (there.rows.length === 0) return true;
  const { rows } = await session.query(
    `SELECT trigram, encode(places, 'hex') FROM ${names.of('search')} WHERE block = $1`,
    [block],
  );
  const found = rows.map(([trigram, places]) => ({ trigram: trigram!, places: Buffer.from(places!, 'hex') }));
  return sameEntries(await entriesOf(eventsOf(session, names, block)), found);
}
