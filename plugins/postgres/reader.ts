import { PAGE_BYTES, candidatesOf, conditionsOf, isWellFormed, tallyInWindows, trigramsOf } from '../../lib/plugin.ts';
import type {
  Bind,
  Dialect,
  Head,
  KnownId,
  Page,
  PageQuery,
  StoreSize,
  StoredEvent,
  TallyPart,
  TallyQuery,
} from '../../lib/plugin.ts';
import { bigintArray, floatArray, textArray } from './arrays.ts';
import type { Session } from './connections.ts';
import { positionOf, readHead } from './counter.ts';
import type { Names } from './names.ts';
import { contains, isAmong, pathIndexes } from './paths.ts';
import { fetchRows, listed } from './rows.ts';
import { searchBlocks } from './search.ts';

type Query = Pick<Session, 'query'>;
type RawPage = Page & { readonly bytes: number };

export interface ReaderOptions {
  readonly names: Names;
  readonly index: readonly string[];
  readonly indexPayload: boolean;
  /** The log has an index of texts. */
  readonly search?: boolean;
}

const NARROWS_MOST = new Set(['id', 'correlationId', 'causationId', 'entity']);
/** Positions that are looked up at least where the rest of the filter may leave out some. */
const LEAST_POSITIONS = 256;
/** Positions that are looked at first where a filter may leave out many. */
const FILTERED_WIDTH = 8_192;
const TALLY_PACE = { firstWidth: 65_536, statementMs: 800, partMs: 500 };
/** Names and the other fields of an event as JSON. */
const ENVELOPE_BYTES = 160;
/** Past this many values in one condition on a path, looking into each event is no slower. */
const MAX_VALUES = 100;

/** What the log says, through whatever session one asks. Each answer is of one moment, and so of whole commits. */
export class Reader {
  readonly #names: Names;
  readonly #dialect: Dialect;
  #hasSearch: boolean;
  /** Paths with an index over the whole log. */
  #indexed: ReadonlySet<string>;
  /** The log was committed up to here once. */
  #seen = 0;

  constructor({ names, index, indexPayload, search = false }: ReaderOptions) {
    this.#names = names;
    this.#hasSearch = search;
    const paths = new Map(pathIndexes(index).map((one) => [one.path, one]));
    this.#indexed = new Set(paths.keys());
    this.#dialect = {
      parameter: (number) => `$${number}`,
      number: (value, bind) => `${bind(value)}::${Number.isSafeInteger(value) ? 'bigint' : 'float8'}`,
      anyOf: (column, values, bind) => `${column} = ANY (${arrayOf(values, bind)})`,
      bytes: (column) => column,
      path(path, values, bind) {
        const indexed = paths.get(path);
        if (values.length > MAX_VALUES) return undefined;
        if (indexed !== undefined) return isAmong(indexed, values, bind);
        return indexPayload ? contains(path, values, bind) : undefined;
      },
    };
  }

  /** Whether the log has an index of texts turns out when it is opened. */
  searches(hasIndex: boolean): void {
    this.#hasSearch = hasIndex;
  }

  /** An index of a path that is new is built behind the opening. */
  hasIndexes(paths: ReadonlySet<string>): void {
    this.#indexed = paths;
  }

  /** Not within a transaction that writes: what it takes back must not count. */
  async head(session: Query): Promise<Head> {
    const head = await readHead(session, this.#names);
    this.#seen = Math.max(this.#seen, head.position);
    return head;
  }

  async page(session: Query, query: PageQuery): Promise<Page> {
    // Nothing behind the head of a moment before counts as looked at: it may be written meanwhile.
    const through =
      query.through <= this.#seen ? query.through : Math.min(query.through, await positionOf(session, this.#names));
    const trigrams = this.#trigramsOf(query);
    if (trigrams.length > 0) return this.#search(session, { ...query, through }, trigrams);
    return this.#isNarrow(query)
      ? this.#readOnce(session, { ...query, through })
      : this.#readInWindows(session, { ...query, through });
  }

  async #readOnce(session: Query, query: PageQuery): Promise<RawPage> {
    const { text, values, index } = await this.statement(session, query);
    const { events, bytes, last } = await fetchRows(session, this.#names.of('events'), { ...query, text, values });
    const looked = last ?? (query.descending ? query.after : query.through);
    const done = last === undefined;
    return { events, bytes, looked, done, scanned: events.length, ...(index !== undefined && { index }) };
  }

  /**
   * Of what came since its last statistics PostgreSQL believes that there is next to nothing, and would read and sort
   * all of it for each page. So it is asked for no more positions than it takes, and for more where those do not do.
   */
  async #readInWindows(session: Query, query: PageQuery): Promise<Page> {
    const { descending, limit } = query;
    const events: StoredEvent[] = [];
    let { after, through } = query;
    let bytes = 0;
    let index: string | undefined;
    for (let width = isFiltered(query) ? Math.max(limit, FILTERED_WIDTH) : limit; after < through; width *= 8) {
      const window = descending
        ? { after: Math.max(after, through - width), through }
        : { after, through: Math.min(through, after + width) };
      const page = await this.#readOnce(session, { ...query, ...window, limit: limit - events.length });
      events.push(...page.events);
      bytes += page.bytes;
      index = page.index;
      if (descending) through = page.done ? window.after : page.looked - 1;
      else after = page.looked;
      if (!page.done || bytes >= PAGE_BYTES) break;
    }
    const looked = descending ? through + 1 : after;
    const done = after >= through;
    const end = descending ? query.after : query.through;
    const page = { events, bytes, looked: done ? end : looked, done, scanned: events.length };
    return { ...page, ...(index !== undefined && { index }) };
  }

  /** An index of which the query takes few entries, wherever in the log they are. */
  #isNarrow({ ids, correlationId, causationId, entity, equals }: PageQuery): boolean {
    if ([ids, correlationId, causationId, entity].some((hint) => hint !== undefined)) return true;
    return equals?.some(({ path }) => this.#indexed.has(path)) === true;
  }

  #trigramsOf(query: PageQuery): readonly string[] {
    const { words } = query;
    return !this.#hasSearch || words === undefined || this.#isNarrow(query) ? [] : trigramsOf(words);
  }

  async #search(session: Query, query: PageQuery, trigrams: readonly string[]): Promise<Page> {
    const { descending, after, through } = query;
    if (after >= through) return { events: [], looked: descending ? after : through, done: true };
    const limit = Math.max(query.limit, LEAST_POSITIONS);
    const found = await candidatesOf(searchBlocks(session, this.#names), trigrams, { ...query, limit });
    const { positions, looked, done } = found;
    if (positions.length === 0) return { events: [], looked, done, scanned: 0, index: 'search' };
    const range = descending ? { ...query, after: done ? after : looked - 1 } : { ...query, through: looked };
    // Most of a range is read faster as a whole.
    const isCommon = positions.length * 2 > range.through - range.after;
    const { text, values } = await this.statement(session, range, isCommon ? undefined : positions);
    const { events, bytes, last } = await fetchRows(session, this.#names.of('events'), { ...query, text, values });
    const page = { events, bytes, scanned: events.length, index: 'search' };
    // What is left of the candidates is looked at by the next page.
    return last === undefined ? { ...page, looked, done } : { ...page, looked: last, done: false };
  }

  /** No statement comes near its timeout. */
  async tally(session: Query, query: TallyQuery): Promise<TallyPart | undefined> {
    const through = Math.min(query.through, await positionOf(session, this.#names));
    return tallyInWindows(
      { ...query, through },
      {
        ...TALLY_PACE,
        dialect: this.#dialect,
        table: this.#names.of('events'),
        rowsOf: async ({ sql, parameters }) => (await session.query(sql, parameters)).rows,
      },
    );
  }

  /** The statement that a page is read with, `among` some positions. */
  async statement(
    session: Query,
    query: PageQuery,
    among?: readonly number[],
  ): Promise<{ text: string; values: unknown[]; index?: string }> {
    const values: unknown[] = [];
    const conditions = [
      `position >= ${placeholder(values, query.after + 1)}`,
      `position <= ${placeholder(values, query.through)}`,
    ];
    const positions = query.ids === undefined ? among : await this.#positions(session, query.ids);
    if (positions !== undefined)
      conditions.push(`position = ANY (${placeholder(values, bigintArray(positions))}::bigint[])`);
    const { sql, parameters, index } = conditionsOf(query, this.#dialect, values.length + 1);
    if (sql !== '') conditions.push(sql);
    const order = query.descending ? 'DESC' : 'ASC';
    const text = `SELECT ${listed(query.limit)} FROM ${this.#names.of('events')} WHERE ${conditions.join(' AND ')}
      ORDER BY position ${order} LIMIT ${query.limit}`;
    const name = this.#indexName(query, index);
    return { text, values: [...values, ...parameters], ...(name !== undefined && { index: name }) };
  }

  async find(session: Query, ids: readonly string[]): Promise<ReadonlyMap<string, KnownId>> {
    const { rows } = await session.query(
      `SELECT id, position, revision, stored_at, hash FROM ${this.#names.of('event_ids')} WHERE id = ANY ($1::text[])`,
      [textArray(ids)],
    );
    return new Map(
      rows.map(([id, position, revision, storedAt, hash]) => [
        id!,
        { id: id!, position: Number(position), revision: Number(revision), storedAt: Number(storedAt), hash: hash! },
      ]),
    );
  }

  async revisions(session: Query, entities: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const { rows } = await session.query(
      `SELECT entity, revision FROM ${this.#names.of('streams')} WHERE entity = ANY ($1::text[])`,
      [textArray(entities)],
    );
    return new Map(rows.map(([entity, revision]) => [entity!, Number(revision)]));
  }

  /** By reading all of it. */
  async size(session: Query): Promise<StoreSize> {
    const table = this.#names.of('events');
    const { rows } = await session.query(
      `SELECT count(*), coalesce(sum(octet_length(payload) + coalesce(octet_length(metadata), 2) + octet_length(id)
         + octet_length(type) + octet_length(source) + ${ENVELOPE_BYTES}), 0),
         (SELECT coalesce(sum(pg_total_relation_size(i.inhrelid)), 0) FROM pg_inherits i WHERE i.inhparent = $1::regclass)
       FROM ${table}`,
      [table],
    );
    const [events, originalBytes, storedBytes] = rows[0]!;
    return { events: Number(events), originalBytes: Number(originalBytes), storedBytes: Number(storedBytes) };
  }

  async #positions(session: Query, ids: readonly string[]): Promise<number[]> {
    const { rows } = await session.query(
      `SELECT position FROM ${this.#names.of('event_ids')} WHERE id = ANY ($1::text[])`,
      [textArray(ids.filter(isWellFormed))],
    );
    return rows.map(([position]) => Number(position));
  }

  #indexName({ equals }: PageQuery, index: string | undefined): string | undefined {
    if (index !== undefined && NARROWS_MOST.has(index)) return index;
    const path = equals?.find((equality) => this.#indexed.has(equality.path))?.path;
    return path ?? index;
  }
}

/** A column of whole numbers may well be compared with a fraction. */
function arrayOf(values: readonly unknown[], bind: Bind): string {
  if (typeof values[0] !== 'number') return `${bind(textArray(values as string[]))}::text[]`;
  const numbers = values as number[];
  if (numbers.every(Number.isSafeInteger)) return `${bind(bigintArray(numbers))}::bigint[]`;
  return `${bind(floatArray(numbers))}::float8[]`;
}

function isFiltered({ types, entityKind, time, equals, where }: PageQuery): boolean {
  return [types, entityKind, time, equals, where].some((hint) => hint !== undefined);
}

function placeholder(values: unknown[], value: unknown): string {
  return `$${values.push(value)}`;
}
