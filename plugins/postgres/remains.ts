import { TelltaleError, expected, extentOf, toError, unlessDamaged } from '../../lib/plugin.ts';
import type { Remains } from '../../lib/plugin.ts';
import type { Connections, Session } from './connections.ts';
import { positionOf } from './counter.ts';
import { DocumentTable } from './documents.ts';
import { openingFailure, sqlState } from './failures.ts';
import type { Names } from './names.ts';
import { hasLog } from './opening.ts';
import { readRemoved } from './removals.ts';
import { fetchRows, listed } from './rows.ts';
import { readTombstones } from './tombstones.ts';

type Query = Pick<Session, 'query'>;

/** A table or a column that is not there, pages and texts that are damaged, a disk that does not read. */
const DAMAGE = /^(?:42P01|42703|XX|58|22)/;

/** What is left of a log whose tables need not be whole, nor its counter right. */
export async function openRemains(connections: Connections, names: Names): Promise<Remains> {
  try {
    await connections.open();
    await mustBeLog(connections, names);
  } catch (error) {
    await connections.close();
    throw openingFailure(error, `PostgreSQL, schema ${names.schema}`);
  }
  const session: Query = { query: (text, values) => damageOf(() => connections.query(text, values)) };
  const documents = new DocumentTable(session, names);
  const events = names.of('events');
  return {
    removed: (range) => readRemoved(session, names, range),
    tombstones: (range, limit) => readTombstones(session, names, range, limit),
    extent: () =>
      extentOf({
        head: () => positionOf(session, names),
        lastEvent: (through) => lastOf(`SELECT max(position) FROM ${events} WHERE position <= $1`, [through]),
        others: [() => lastOf(`SELECT max(to_position) FROM ${names.of('removed')}`)],
      }),
    async page({ after, through, limit }) {
      const text = `SELECT ${listed(limit)} FROM ${events} WHERE position > $1 AND position <= $2 ORDER BY position LIMIT ${limit}`;
      const query = { text, values: [after, through], limit, descending: false };
      const { events: found, last } = await fetchRows(session, events, query);
      return { events: found, looked: last ?? through, done: last === undefined };
    },
    collections: () => documents.collections(),
    document: (collection, key) => documents.get(collection, key),
    listDocuments: (collection) => documents.list(collection),
    close: () => connections.close(),
  };

  async function lastOf(text: string, values: readonly number[] = []): Promise<number> {
    return Number((await session.query(text, values)).rows[0]?.[0] ?? 0);
  }
}

async function mustBeLog(connections: Connections, names: Names): Promise<void> {
  // A table may be gone, and the others there.
  if ((await unlessDamaged(() => hasLog(connections, names))) !== false) return;
  throw expected('STORE_PATH', `schema ${names.schema}`, "a log of Telltale's", `no table ${names.of('meta')}`);
}

/** What the server cannot read, or does not have any more, is damaged; the rest can still be asked for. */
async function damageOf<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (!DAMAGE.test(sqlState(error) || sqlState((error as Error).cause))) throw error;
    throw new TelltaleError('STORE_CORRUPT', toError(error).message, { cause: toError(error) });
  }
}
