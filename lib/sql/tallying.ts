import type { EnvelopeField } from '../filter/field.ts';
import type { TallyGroup, TallyQuery } from '../store/port.ts';
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

/** A statement that counts, and what its rows mean. */
export interface TallyStatement {
  readonly sql: string;
  readonly parameters: readonly unknown[];
  /** What its columns are called, in their order. */
  readonly columns: readonly string[];
  /** The group of a row, whose values are in the order of the statement; `undefined` where nothing was counted. */
  toGroup(row: readonly unknown[]): TallyGroup | undefined;
}

/** `undefined` where the database cannot tell the events exactly. `table` is its name in the statement. */
export function tallyStatement(query: TallyQuery, dialect: Dialect, table: string): TallyStatement | undefined {
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
  const grouped = groups.length === 0 ? '' : ` GROUP BY ${groups.map((_, i) => i + 1).join(', ')}`;
  return {
    sql: `SELECT ${values.map((value, i) => `${value} AS ${columns[i]!}`).join(', ')} FROM ${table} WHERE ${bounds.join(' AND ')}${grouped} LIMIT ${limit}`,
    parameters: [...parameters, ...conditions.parameters],
    columns,
    toGroup: (row) => groupOf(row, query),
  };
}

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
