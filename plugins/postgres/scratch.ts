import { Connections } from './connections.ts';
import { openingFailure } from './failures.ts';
import { Names, TABLES } from './names.ts';
import { parseOptions } from './options.ts';
import type { PostgresOptions } from './options.ts';

/** Whether there is a log at this place, and how far it goes; nothing is made. Throws `STORE_ACCESS`, `STORE_UNAVAILABLE`. */
export function headOfLog(options: string | PostgresOptions): Promise<number | undefined> {
  return at(options, async (connections, names) => {
    const { rows } = await connections.query('SELECT to_regclass($1)::text', [names.of('counter')]);
    if (rows[0]![0] === null) return undefined;
    const found = await connections.query(`SELECT position FROM ${names.of('counter')}`);
    return Number(found.rows[0]?.[0] ?? 0);
  });
}

/** Drops a whole log: its tables and functions, and its schema when nothing else is in it. For logs of tests. */
export function dropLog(options: string | PostgresOptions): Promise<void> {
  return at(options, async (connections, names) => {
    for (const table of TABLES) await connections.query(`DROP TABLE IF EXISTS ${names.of(table)} CASCADE`);
    await connections.query(`DROP FUNCTION IF EXISTS ${names.append}`);
    await connections.query(`DROP SCHEMA IF EXISTS "${names.schema}"`).catch((error: unknown) => {
      // Something else is in it.
      if ((error as { code?: string }).code !== '2BP01') throw error;
    });
  });
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
