import { TelltaleError, expected, isTelltaleError, toError } from '../../lib/plugin.ts';
import type { Remains } from '../../lib/plugin.ts';
import type { Connections, Session } from './connections.ts';
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
    removed: (range = { from: 1, to: Infinity }) => readRemoved(session, names, range),
    tombstones: (range, limit) => readTombstones(session, names, range, limit),
    extent: () => extentOf(session, names),
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
}

async function mustBeLog(connections: Connections, names: Names): Promise<void> {
  try {
    if (await hasLog(connections, names)) return;
  } catch (error) {
    // A table is gone; the others may be there.
    if (isTelltaleError(error, 'STORE_CORRUPT')) return;
    throw error;
  }
  throw expected('STORE_PATH', `schema ${names.schema}`, "a log of Telltale's", `no table ${names.of('meta')}`);
}

/** The counter is believed only as far as nothing lies behind it. */
async function extentOf(session: Query, names: Names): Promise<{ end: number; reach: number }> {
  const ask = async (text: string): Promise<number> => {
    try {
      return Number((await session.query(text)).rows[0]?.[0] ?? 0);
    } catch (error) {
      if (isTelltaleError(error, 'STORE_CORRUPT')) return 0;
      throw error;
    }
  };
  const lastEvent = await ask(`SELECT max(position) FROM ${names.of('events')}`);
  const reach = Math.max(lastEvent, await ask(`SELECT max(to_position) FROM ${names.of('removed')}`));
  return { end: Math.max(reach, await ask(`SELECT position FROM ${names.of('counter')}`)), reach };
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
