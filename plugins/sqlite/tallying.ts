import { tallyInWindows } from '../../lib/plugin.ts';
import type { TallyPart, TallyQuery, TallyStatement } from '../../lib/plugin.ts';
import type { Connection } from './connection.ts';
import type { SqlValue } from './driver.ts';
import { readLog } from './log.ts';
import { DIALECT } from './reading.ts';
import { textIn } from './texts.ts';

/** Statements hold the event loop. */
const PACE = { firstWidth: 4_096, statementMs: 4, partMs: 8 };

/** For some milliseconds. `undefined` where SQLite cannot tell the events exactly. */
export async function tallyPart(connection: Connection, query: TallyQuery): Promise<TallyPart | undefined> {
  const through = Math.min(query.through, readLog(connection).position);
  const table = hasIndex(query) ? 'telltale_events' : 'telltale_events NOT INDEXED';
  const rowsOf = (statement: TallyStatement): SqlValue[][] | undefined => readRows(connection, statement);
  return tallyInWindows({ ...query, through }, { ...PACE, dialect: DIALECT, table, rowsOf });
}

function readRows(connection: Connection, { sql, parameters, columns }: TallyStatement): SqlValue[][] | undefined {
  const asBytes = `SELECT ${columns.map(textAsBytes).join(', ')} FROM (${sql})`;
  const rows: SqlValue[][] = [];
  for (const row of connection.all(asBytes, parameters as readonly SqlValue[])) {
    const values = Object.values(row).map(toValue);
    // Whoever reads the events is told which one is damaged.
    if (!isLegible(values)) return undefined;
    rows.push(values);
  }
  return rows;
}

/** Text comes as bytes, also where a damaged row has it for a number: see `texts.ts`. */
function textAsBytes(name: string): string {
  return `CASE typeof(${name}) WHEN 'text' THEN CAST(${name} AS BLOB) ELSE ${name} END`;
}

function toValue(value: SqlValue): SqlValue | undefined {
  return value === null || typeof value === 'number' ? value : textIn(value);
}

function isLegible(values: readonly (SqlValue | undefined)[]): values is SqlValue[] {
  return !values.includes(undefined);
}

/** An index of which every window is one stretch; any other one would be looked through for each window anew. */
function hasIndex({ ids, correlationId, causationId, entity, types }: TallyQuery): boolean {
  return [ids, correlationId, causationId, entity, types].some((hint) => hint !== undefined);
}
