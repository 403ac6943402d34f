import { Connections } from './connections.ts';
import { openingFailure, sqlState } from './failures.ts';
import { Names, TABLES } from './names.ts';
import { hasLog } from './opening.ts';
import { parseOptions } from './options.ts';
import type { PostgresOptions } from './options.ts';
import { searchDropping } from './search.ts';

/** Whether there is a log at this place, and how far it goes; nothing is made. Throws `STORE_ACCESS`, `STORE_UNAVAILABLE`. */
export function headOfLog(options: string | PostgresOptions): Promise<number | undefined> {
  return at(options, async (connections, names) => {
    const { rows } = await connections.query('SELECT to_regclass($1)::text', [names.of('counter')]);
    if (rows[0]![0] === null) return undefined;
    const found = await connections.query(`SELECT position FROM ${names.of('counter')}`);
    return Number(found.rows[0]?.[0] ?? 0);
  });
}

/**
 * Drops a whole log: its tables and functions, and its schema when nothing else is in it. For logs of tests. Throws
 * `STORE_PATH` where tables of these names are another program's, `STORE_VERSION`, `STORE_CORRUPT`, `STORE_ACCESS`,
 * `STORE_UNAVAILABLE`; then nothing is dropped.
 */
export function dropLog(options: string | PostgresOptions): Promise<void> {
  return at(options, (connections, names) =>
    connections.transaction(async (session) => {
      await session.query('SELECT pg_advisory_xact_lock($1::bigint)', [names.lockKey]);
      if (!(await hasLog(session, names))) return;
      const search = await searchDropping(session, names);
      await session.query(`DROP TABLE ${TABLES.map((table) => names.of(table)).join(', ')} CASCADE`);
      await session.query(`DROP FUNCTION IF EXISTS ${names.append}`);
      for (const text of search) await session.query(text);
      await session.query('SAVEPOINT log_dropped');
      await session.query(`DROP SCHEMA "${names.schema}"`).catch((error: unknown) => {
        // Something else is in it, or it is another's.
        if (!['2BP01', '42501'].includes(sqlState(error))) throw error;
        return session.query('ROLLBACK TO log_dropped');
      });
    }),
  );
}

async function at<T>(
  options: string | PostgresOptions,
  work: (connections: Connections, names: Names) => Promise<T>,
): Promise<T> {
  const { place, schema, tablePrefix, timeoutMs } = parseOptions(options, process.env['DATABASE_URL']);
  const connections = new Connections(place, 2, timeoutMs);
  try {
    await connections.open();
    return await work(connections, new Names(schema, tablePrefix));
  } catch (error) {
    throw openingFailure(error, `schema ${schema}`);
  } finally {
    await connections.close();
  }
}
