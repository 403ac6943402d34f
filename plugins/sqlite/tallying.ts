import { Slice, tallyStatement } from '../../lib/plugin.ts';
import type { TallyGroup, TallyPart, TallyQuery } from '../../lib/plugin.ts';
import type { Connection } from './connection.ts';
import type { SqlValue } from './driver.ts';
import { readLog } from './log.ts';
import { DIALECT } from './reading.ts';
import { textIn } from './texts.ts';

/** Positions of the first statement; how many come next depends on how long it takes. */
const FIRST_WIDTH = 4_096;
const LEAST_WIDTH = 512;
/** A statement holds the event loop, so it should not take longer, ms. */
const STATEMENT_MS = 4;
const PART_MS = 8;

/** Counts in windows of positions, for some milliseconds. `undefined` where SQLite cannot tell the events exactly. */
export function tallyPart(connection: Connection, query: TallyQuery): TallyPart | undefined {
  const through = Math.min(query.through, readLog(connection).position);
  const table = hasIndex(query) ? 'telltale_events' : 'telltale_events NOT INDEXED';
  const groups: TallyGroup[] = [];
  const slice = new Slice(PART_MS);
  let { after } = query;
  for (let width = FIRST_WIDTH; after < through && !slice.isOver;) {
    const window = { ...query, after, through: Math.min(through, after + width) };
    const statement = tallyStatement(window, DIALECT, table);
    if (statement === undefined) return undefined;
    const began = performance.now();
    const sql = `SELECT ${statement.columns.map(textAsBytes).join(', ')} FROM (${statement.sql})`;
    for (const row of connection.all(sql, statement.parameters as readonly SqlValue[])) {
      const values = Object.values(row).map(toValue);
      // Whoever reads the events is told which one is damaged.
      if (values.includes(undefined)) return undefined;
      const group = statement.toGroup(values);
      if (group !== undefined) groups.push(group);
    }
    after = window.through;
    width = nextWidth(width, performance.now() - began);
  }
  return { groups, looked: after, done: after >= through };
}

/** Text comes as bytes, also where a damaged row has it for a number: see `texts.ts`. */
function textAsBytes(name: string): string {
  return `CASE typeof(${name}) WHEN 'text' THEN CAST(${name} AS BLOB) ELSE ${name} END`;
}

function toValue(value: SqlValue): SqlValue | undefined {
  return value === null || typeof value === 'number' ? value : textIn(value);
}

function nextWidth(width: number, tookMs: number): number {
  if (tookMs < STATEMENT_MS / 4) return width * 4;
  return tookMs > STATEMENT_MS ? Math.max(LEAST_WIDTH, width >> 1) : width;
}

/** An index of which every window is one stretch; any other one would be looked through for each window anew. */
function hasIndex({ ids, correlationId, causationId, entity, types }: TallyQuery): boolean {
  return [ids, correlationId, causationId, entity, types].some((hint) => hint !== undefined);
}
