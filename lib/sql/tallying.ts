import type { EnvelopeField } from '../filter/field.ts';
import type { TallyGroup, TallyPart, TallyQuery } from '../store/port.ts';
import type { Bind, Dialect } from './conditions.ts';
import { conditionsOf } from './conditions.ts';
import type { EventRow } from './rows.ts';

const COLUMNS: Readonly<Record<EnvelopeField, keyof EventRow>> = {
  id: 'id',
  type: 'type',
  source: 'source',
  time: 'time',
  entity: 'entity',
  correlationId: 'correlation_id',
  causationId: 'causation_id',
  schemaVersion: 'schema_version',
  position: 'position',
  revision: 'revision',
  storedAt: 'stored_at',
};
const NUMBERS: ReadonlySet<EnvelopeField> = new Set(['time', 'schemaVersion', 'position', 'revision', 'storedAt']);

/** A statement that counts. */
export interface TallyStatement {
  readonly sql: string;
  readonly parameters: readonly unknown[];
  /** What its columns are called, in their order. */
  readonly columns: readonly string[];
}

type Rows = readonly (readonly unknown[])[];

/** The log as it is counted. */
export interface Tallied {
  readonly dialect: Dialect;
  /** What it is called in a statement. */
  readonly table: string;
  /** Positions of the first statement; how many come next depends on how long it takes. */
  readonly firstWidth: number;
  /** No statement should take longer. */
  readonly statementMs: number;
  /** No statement begins later. */
  readonly partMs: number;
  /** Values in the order of the columns; `undefined` where the database cannot tell them exactly. */
  rowsOf(statement: TallyStatement): Rows | undefined | Promise<Rows | undefined>;
}

/** Counts in windows of positions, for some time. `undefined` where the database cannot tell the events exactly. */
export async function tallyInWindows(query: TallyQuery, log: Tallied): Promise<TallyPart | undefined> {
  const { through } = query;
  const groups: TallyGroup[] = [];
  const end = performance.now() + log.partMs;
  let { after } = query;
  for (let width = log.firstWidth; after < through && performance.now() < end;) {
    const window = { ...query, after, through: Math.min(through, after + width) };
    const statement = tallyStatement(window, log);
    const began = performance.now();
    const rows = statement && (await log.rowsOf(statement));
    if (rows === undefined) return undefined;
    for (const row of rows) {
      const group = groupOf(row, query);
      if (group !== undefined) groups.push(group);
    }
    after = window.through;
    width = nextWidth(width, performance.now() - began, log);
  }
  return { groups, looked: after, done: after >= through };
}

function nextWidth(width: number, tookMs: number, { firstWidth, statementMs }: Tallied): number {
  if (tookMs < statementMs / 4) return width * 4;
  return tookMs > statementMs ? Math.max(firstWidth >> 3, width >> 1) : width;
}

function tallyStatement(query: TallyQuery, { dialect, table }: Tallied): TallyStatement | undefined {
  const { by, bucketMs, numbers, withoutReserved, after, through, limit } = query;
  const parameters: unknown[] = [];
  const bind: Bind = (value) => dialect.parameter(parameters.push(value));
  const groups = by.map((field) => COLUMNS[field] as string);
  // The same division as in JavaScript, and the same floor.
  if (bucketMs !== undefined) groups.push(`floor(time / ${bind(bucketMs)})`);
  const spans = numbers.flatMap((field) => [`min(${COLUMNS[field]})`, `max(${COLUMNS[field]})`]);
  const values = [...groups, 'count(*)', 'min(position)', ...spans];
  const columns = values.map((_, i) => `c${i}`);
  const bounds = [`position > ${bind(after)}`, `position <= ${bind(through)}`];
  if (withoutReserved) bounds.push(`NOT (type >= '$' AND type < '%')`);
  const conditions = conditionsOf(query, dialect, parameters.length + 1);
  if (!conditions.isExact) return undefined;
  if (conditions.sql !== '') bounds.push(conditions.sql);
  const listed = values.map((value, i) => `${value} AS ${columns[i]!}`).join(', ');
  const grouped = groups.length === 0 ? '' : `GROUP BY ${groups.map((_, i) => i + 1).join(', ')}`;
  return {
    sql: `SELECT ${listed} FROM ${table} WHERE ${bounds.join(' AND ')} ${grouped} LIMIT ${limit}`,
    parameters: [...parameters, ...conditions.parameters],
    columns,
  };
}

/** `undefined` where nothing was counted. */
function groupOf(row: readonly unknown[], { by, bucketMs, numbers }: TallyQuery): TallyGroup | undefined {
  const values = row.values();
  const next = (): unknown => values.next().value;
  const key = by.map((field) => valueOf(next(), NUMBERS.has(field)));
  const from = bucketMs === undefined ? undefined : Number(next()) * bucketMs;
  const count = Number(next());
  const first = Number(next());
  if (count === 0) return undefined;
  const spans = numbers.map(() => ({ min: Number(next()), max: Number(next()) }));
  return { key, ...(from !== undefined && { from }), count, first, spans };
}

function valueOf(value: unknown, isNumber: boolean): string | number | undefined {
  if (value === null) return undefined;
  return isNumber ? Number(value) : (value as string);
}
