import { EVENT_COLUMNS, PAGE_BYTES, fromRow } from '../../lib/plugin.ts';
import type { PageQuery, StoredEvent } from '../../lib/plugin.ts';
import { bigintArray } from './arrays.ts';
import type { Session } from './connections.ts';

type Query = Pick<Session, 'query'>;
type Row = readonly (string | null)[];

/** What the server is asked for in place of a page's rows. */
export interface RowsQuery extends Pick<PageQuery, 'descending' | 'limit'> {
  /** A statement that selects what `listed` says. */
  readonly text: string;
  readonly values: readonly unknown[];
}

export interface FoundRows {
  readonly events: readonly StoredEvent[];
  /** Of the texts, in characters. */
  readonly bytes: number;
  /** The last position looked at, where there may be more. */
  readonly last?: number;
}

const COLUMNS = EVENT_COLUMNS.join(', ');
const [POSITION, ID, TYPE, SOURCE, TIME, ENTITY, REVISION, CORRELATION, CAUSATION, VERSION, STORED, PAYLOAD, METADATA] =
  [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12] as const;
/** Behind the columns: the bytes of the large rows up to this one. */
const BYTES_SO_FAR = 13;

/** The columns of an event: empty where a text is larger than its share of a page, which is told without reading it. */
export function listed(limit: number): string {
  const share = Math.floor(PAGE_BYTES / limit);
  return EVENT_COLUMNS.map((column): string =>
    column === 'payload' || column === 'metadata'
      ? `CASE WHEN octet_length(${column}) > ${share} THEN '' ELSE ${column} END`
      : column,
  ).join(', ');
}

/** The events of a page. Large ones are asked for by themselves, as many as a page may hold. */
export async function fetchRows(session: Query, table: string, query: RowsQuery): Promise<FoundRows> {
  const { rows } = await session.query(query.text, query.values);
  const large = rows.filter(isLarge).map((row) => Number(row[POSITION]));
  const { whole, end } = large.length === 0 ? NONE : await fetchLarge(session, table, large, query.descending);
  const taken = end === undefined ? rows : rows.slice(0, rows.findIndex((row) => row[POSITION] === end) + 1);
  // Who was removed meanwhile is not there any more.
  const found =
    whole === undefined ? taken : taken.flatMap((row) => (isLarge(row) ? (whole.get(row[POSITION]!) ?? []) : [row]));
  const page = { events: found.map(toEvent), bytes: found.reduce((sum, row) => sum + sizeOf(row), 0) };
  return end !== undefined || rows.length === query.limit ? { ...page, last: Number(taken.at(-1)![POSITION]) } : page;
}

interface LargeRows {
  readonly whole?: ReadonlyMap<string, [Row]>;
  /** With this position the page has its bytes. */
  readonly end?: string;
}

const NONE: LargeRows = {};

async function fetchLarge(
  session: Query,
  table: string,
  positions: readonly number[],
  descending: boolean,
): Promise<LargeRows> {
  const order = `ORDER BY position ${descending ? 'DESC' : 'ASC'}`;
  const size = 'octet_length(payload) + coalesce(octet_length(metadata), 0)';
  const { rows } = await session.query(
    `SELECT * FROM (
       SELECT ${COLUMNS}, sum(${size}) OVER (${order}) AS so_far, ${size} AS size FROM ${table}
       WHERE position = ANY ($1::bigint[]) AND position BETWEEN $2 AND $3
     ) large WHERE so_far - size < ${PAGE_BYTES} ${order}`,
    [bigintArray(positions), Math.min(...positions), Math.max(...positions)],
  );
  const whole = new Map(rows.map((row): [string, [Row]] => [row[POSITION]!, [row]]));
  const last = rows.at(-1);
  return last !== undefined && Number(last[BYTES_SO_FAR]) >= PAGE_BYTES ? { whole, end: last[POSITION]! } : { whole };
}

/** Texts of JSON are never empty. */
function isLarge(row: Row): boolean {
  return row[PAYLOAD] === '' || row[METADATA] === '';
}

function sizeOf(row: Row): number {
  return row[PAYLOAD]!.length + (row[METADATA]?.length ?? 0);
}

function toEvent(row: Row): StoredEvent {
  return fromRow({
    position: Number(row[POSITION]),
    id: row[ID]!,
    type: row[TYPE]!,
    source: row[SOURCE]!,
    time: Number(row[TIME]),
    entity: row[ENTITY]!,
    revision: Number(row[REVISION]),
    correlation_id: row[CORRELATION]!,
    causation_id: row[CAUSATION]!,
    schema_version: Number(row[VERSION]),
    stored_at: Number(row[STORED]),
    payload: row[PAYLOAD]!,
    metadata: row[METADATA]!,
  });
}
