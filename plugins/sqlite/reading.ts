import { PAGE_BYTES, Slice, candidatesOf, conditionsOf, trigramsOf } from '../../lib/plugin.ts';
import type { BlockSource, Candidates, Dialect, Page, PageQuery, StoredEvent } from '../../lib/plugin.ts';
import type { Connection } from './connection.ts';
import type { SqlRow, SqlValue } from './driver.ts';
import { PathList, isReady, keyText } from './keys.ts';
import type { KeyPath } from './keys.ts';
import { readLog } from './log.ts';
import { boundsOf } from './spans.ts';
import { LISTED, WHOLE, damaged, decode } from './records.ts';

/** Rows that are fetched in one go: each fetch holds the event loop. */
const CHUNK = 128;
/** Positions that are looked at in one go where a filter has no index. */
const WINDOW = 4_096;
/** A page without an index ends after this many positions, so that its caller has a say. */
const MOST_POSITIONS = 65_536;
/** Matches of a range (a span of time, a kind of entity) that are still put in order by hand. */
const MOST_IN_RANGE = 20_000;
/** Values of one field that are looked up one by one. */
const MOST_VALUES = 64;
/** Positions that are looked up at least where the rest of the filter may leave out some. */
const LEAST_POSITIONS = 256;
const END = Number.MAX_SAFE_INTEGER;
const PLAIN_KEY = /^[A-Za-z_][\w-]*$/;

/** Says which positions an index has: one statement for each value, each in the order of positions. */
export interface Lookup {
  /** As `Page.index` names it. */
  readonly index: string;
  /** Behind `SELECT position FROM`; the range of positions and a limit are put behind it. */
  readonly from: string;
  /** The parameters of each statement. */
  readonly values: readonly (readonly SqlValue[])[];
}

interface Range {
  readonly after: number;
  readonly through: number;
  readonly descending: boolean;
}

interface Found {
  readonly positions: readonly number[];
  /** All of the range has been looked at. */
  readonly isWhole: boolean;
}

export const DIALECT: Dialect = {
  parameter: () => '?',
  anyOf: (name, values, bind) => `${name} IN (${values.map(bind).join(', ')})`,
  bytes: (name) => name,
  path: (path, values, bind) => {
    const [root, ...keys] = path.split('.');
    // What is written or compared in another way in SQLite is left to the filter: fractions, indexes of arrays.
    if (!keys.every((key) => PLAIN_KEY.test(key)) || !values.every(isAlike)) return undefined;
    const json = `json_extract(${root}, ${bind(`$.${keys.map((key) => `"${key}"`).join('.')}`)})`;
    const among = `${json} IN (${values.map((value) => bind(typeof value === 'boolean' ? Number(value) : value)).join(', ')})`;
    // What is no JSON any more is found, and told by whoever reads it.
    return `(${root === 'payload' ? 'packed IS NOT NULL OR ' : ''}NOT json_valid(${root}) OR ${among})`;
  },
};

/** What reading needs to know of the store. */
export interface ReadContext {
  readonly connection: Connection;
  /** Compares checksums. */
  readonly check: boolean;
  /** Where the file has an index of texts. */
  readonly search?: BlockSource | undefined;
}

/**
 * Answers pages. One index leads, and what it finds is fetched by position; without an index the log is looked through
 * in windows. Either way no statement takes long, and the event loop turns in between.
 */
export class Reading {
  readonly #context: ReadContext;
  readonly #slice = new Slice();
  readonly #paths = new PathList();

  constructor(context: ReadContext) {
    this.#context = context;
  }

  async page(query: PageQuery): Promise<Page> {
    if (this.#slice.isOver) await this.#slice.rest();
    // The head comes first: what is committed later lies behind it, so that no position is passed over.
    const log = readLog(this.#context.connection);
    const through = Math.min(query.through, log.position);
    if (query.after >= through) return { events: [], looked: query.descending ? query.after : through, done: true };
    const bounded = { ...query, through };
    const lookup = this.#lookupOf(query, this.#paths.at(this.#context.connection, log.paths));
    const trigrams = isNarrow(lookup) ? [] : this.#trigramsOf(query);
    if (trigrams.length > 0) return this.#search(bounded, trigrams);
    return lookup === undefined ? this.#lookThrough(bounded) : this.#lookUp(bounded, lookup);
  }

  #trigramsOf({ words }: PageQuery): readonly string[] {
    return words === undefined || this.#context.search === undefined ? [] : trigramsOf(words);
  }

  async #search(query: PageQuery, trigrams: readonly string[]): Promise<Page> {
    const limit = Math.max(query.limit, LEAST_POSITIONS);
    const found = await candidatesOf(this.#context.search!, trigrams, { ...query, limit });
    return this.#fetch(query, found, restOf(query), 'search');
  }

  /** The index that leads; static, but for ranges, which lead only where they are small. */
  #lookupOf(query: PageQuery, paths: readonly KeyPath[]): Lookup | undefined {
    const { ids, correlationId, causationId, entity, entityKind, types, time } = query;
    if (ids !== undefined) return idLookup(ids);
    if (correlationId !== undefined) return column('correlationId', 'correlation_id', 'correlation', [correlationId]);
    if (causationId !== undefined) return column('causationId', 'causation_id', 'causation', [causationId]);
    if (entity !== undefined) return column('entity', 'entity', 'entity', [entity]);
    const keyed = keyLookup(query, paths);
    if (keyed !== undefined) return keyed;
    const inTime = time === undefined ? undefined : this.#small(timeLookup(time));
    if (inTime !== undefined) return inTime;
    if (types !== undefined && types.length <= MOST_VALUES) return column('type', 'type', 'type', [...new Set(types)]);
    return entityKind === undefined ? undefined : this.#small(kindLookup(entityKind));
  }

  /** A range is not in the order of positions, so it is used only where all of it can be sorted in no time. */
  #small(lookup: Lookup): Lookup | undefined {
    const sql = `SELECT count(*) AS count FROM (SELECT 1 FROM ${lookup.from} LIMIT ${MOST_IN_RANGE + 1})`;
    const count = this.#context.connection.get(sql, lookup.values[0])!['count'] as number;
    return count <= MOST_IN_RANGE ? lookup : undefined;
  }

  async #lookUp(query: PageQuery, lookup: Lookup): Promise<Page> {
    const rest = restOf(query, lookup);
    const limit = rest.sql === '' ? query.limit : Math.max(query.limit, LEAST_POSITIONS);
    const { positions, isWhole } = this.#positions(query, lookup, limit);
    const end = query.descending ? query.after : query.through;
    const found = { positions, looked: isWhole ? end : positions[positions.length - 1]!, done: isWhole };
    return this.#fetch(query, found, rest, lookup.index);
  }

  /** The events at some positions; what is found beyond the page is found again by the next one. */
  async #fetch(query: PageQuery, { positions, looked, done }: Candidates, rest: Rest, index: string): Promise<Page> {
    const page = new Filling(query.limit, query.checked ?? this.#context.check);
    for (let at = 0; at < positions.length; at += CHUNK) {
      const rows = this.#rowsAt(positions.slice(at, at + CHUNK), query.descending, rest);
      const taken = await this.#take(rows, page);
      if (!page.isFull || (taken === rows.length && at + CHUNK >= positions.length)) continue;
      return { ...page.found, looked: positionOf(rows[taken - 1]!), done: false, index };
    }
    return { ...page.found, looked, done, index };
  }

  /** The first positions of all values together, as far as every value's list reaches. */
  #positions({ after, through, descending }: Range, { from, values }: Lookup, limit: number): Found {
    const order = descending ? 'DESC' : 'ASC';
    const sql = `SELECT position FROM ${from} AND position > ? AND position <= ? ORDER BY position ${order} LIMIT ?`;
    const lists = values.map((value) =>
      this.#context.connection.all(sql, [...value, after, through, limit]).map((row) => row['position'] as number),
    );
    if (lists.length === 1) return { positions: lists[0]!, isWhole: lists[0]!.length < limit };
    const merged = lists.flat().toSorted((a, b) => (descending ? b - a : a - b));
    return {
      positions: merged.slice(0, limit),
      isWhole: merged.length <= limit && lists.every((l) => l.length < limit),
    };
  }

  #rowsAt(positions: readonly number[], descending: boolean, rest: Rest): readonly SqlRow[] {
    const where = rest.sql === '' ? '' : ` WHERE ${rest.sql}`;
    // CROSS JOIN keeps SQLite from beginning at another index.
    const sql =
      `SELECT ${LISTED} FROM (SELECT value AS at FROM json_each(?)) CROSS JOIN telltale_events ON position = at` +
      `${where} ORDER BY position ${descending ? 'DESC' : 'ASC'}`;
    return this.#context.connection.all(sql, [`[${positions.join(',')}]`, ...rest.parameters]);
  }

  async #lookThrough(query: PageQuery): Promise<Page> {
    const { descending } = query;
    const rest = restOf(query);
    const page = new Filling(query.limit, query.checked ?? this.#context.check);
    let { after, through } = query;
    let seen = 0;
    let isBounded = false;
    while (after < through && !page.isFull && seen < MOST_POSITIONS) {
      const width = rest.sql === '' ? END : WINDOW;
      const window = descending
        ? { after: Math.max(after, through - width), through }
        : { after, through: Math.min(through, after + width) };
      const wanted = Math.min(CHUNK, query.limit - page.events.length);
      const rows = this.#rowsIn(window, descending, rest, wanted);
      const taken = await this.#take(rows, page);
      // With less than was asked for, the whole window has been looked at.
      const end = taken < rows.length || taken === wanted ? positionOf(rows[taken - 1]!) : undefined;
      if (descending) through = end === undefined ? window.after : end - 1;
      else after = end ?? window.through;
      seen += rest.sql === '' ? taken : WINDOW;
      // A span of time that does not begin here may begin at the far end.
      if (rows.length > 0 || isBounded || query.time === undefined) continue;
      isBounded = true;
      const bounds = await boundsOf(this.#context.connection, query.time, { after, through });
      after = bounds === undefined ? through : Math.max(after, bounds.first - 1);
      if (bounds !== undefined) through = Math.min(through, bounds.last);
    }
    const done = after >= through;
    const looked = descending ? through + 1 : after;
    const end = descending ? query.after : query.through;
    return { ...page.found, looked: done ? end : looked, done, scanned: seen };
  }

  #rowsIn(
    { after, through }: Omit<Range, 'descending'>,
    descending: boolean,
    rest: Rest,
    limit: number,
  ): readonly SqlRow[] {
    const where = rest.sql === '' ? '' : ` AND ${rest.sql}`;
    const sql =
      `SELECT ${LISTED} FROM telltale_events NOT INDEXED WHERE position > ? AND position <= ?${where} ` +
      `ORDER BY position ${descending ? 'DESC' : 'ASC'} LIMIT ?`;
    return this.#context.connection.all(sql, [after, through, ...rest.parameters, limit]);
  }

  /** How many of the rows the page has taken before it was full. */
  async #take(rows: readonly SqlRow[], into: Filling): Promise<number> {
    const { connection } = this.#context;
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i]!;
      if (into.isFull) return i;
      if (this.#slice.isOver) await this.#slice.rest();
      const whole = row['payload'] !== null ? row : connection.get(ONE, [row['position']!]);
      // It was removed since.
      if (whole === undefined) continue;
      const decoded = decode(whole, into.check);
      const { event, isIntact } = decoded instanceof Promise ? await decoded : decoded;
      if (!isIntact) throw damaged(whole);
      into.add(event, whole['bytes'] as number);
    }
    return rows.length;
  }
}

/** What a page has so far. */
class Filling {
  readonly events: StoredEvent[] = [];
  /** Whether checksums are compared. */
  readonly check: boolean;
  readonly #limit: number;
  #bytes = 0;

  constructor(limit: number, check: boolean) {
    this.#limit = limit;
    this.check = check;
  }

  get isFull(): boolean {
    return this.events.length >= this.#limit || this.#bytes >= PAGE_BYTES;
  }

  get found(): Pick<Page, 'events' | 'scanned' | 'bytes'> {
    return { events: this.events, scanned: this.events.length, bytes: this.#bytes };
  }

  add(event: StoredEvent, bytes: number): void {
    this.events.push(event);
    this.#bytes += bytes;
  }
}

function positionOf(row: SqlRow): number {
  return row['position'] as number;
}

function isAlike(value: unknown): boolean {
  return typeof value !== 'number' || Number.isSafeInteger(value);
}

interface Rest {
  readonly sql: string;
  readonly parameters: readonly SqlValue[];
}

const ONE = `SELECT ${WHOLE} FROM telltale_events WHERE position = ?`;
const NO_REST: Rest = { sql: '', parameters: [] };

/** What the lookup does not answer by itself. */
function restOf(query: PageQuery, lookup?: Lookup): Rest {
  const { where, after: _, through: __, descending: ___, limit: ____, ...hints } = query;
  if (lookup !== undefined && where === undefined && Object.keys(hints).length === 1) return NO_REST;
  const { sql, parameters } = conditionsOf(where === undefined ? hints : { ...hints, where }, DIALECT);
  return { sql, parameters: parameters as readonly SqlValue[] };
}

/** An index that leaves fewer events than a search does. */
function isNarrow(lookup: Lookup | undefined): boolean {
  return lookup !== undefined && !['type', 'time'].includes(lookup.index);
}

function idLookup(ids: readonly string[]): Lookup {
  const from = 'telltale_events INDEXED BY telltale_events_id WHERE id IN (SELECT value FROM json_each(?))';
  return { index: 'id', from, values: [[JSON.stringify([...new Set(ids)])]] };
}

function column(index: string, name: string, suffix: string, values: readonly string[]): Lookup {
  const from = `telltale_events INDEXED BY telltale_events_${suffix} WHERE ${name} = ?`;
  return { index, from, values: values.map((value) => [value]) };
}

function keyLookup({ equals }: PageQuery, paths: readonly KeyPath[]): Lookup | undefined {
  for (const { path, values } of equals ?? []) {
    const known = paths.find((one) => one.path === path);
    const keys = values.map(keyText).filter((key) => key !== undefined);
    if (known === undefined || !isReady(known) || keys.length < values.length || keys.length > MOST_VALUES) continue;
    const parameters = [...new Set(keys)].map((key) => [known.number, key]);
    return { index: path, from: 'telltale_keys WHERE path = ? AND key = ?', values: parameters };
  }
  return undefined;
}

function timeLookup({ from = -1e300, to = 1e300 }: NonNullable<PageQuery['time']>): Lookup {
  const range = 'telltale_events INDEXED BY telltale_events_time WHERE time >= ? AND time <= ?';
  return { index: 'time', from: range, values: [[from, to]] };
}

/** `/` is followed by `0`. */
function kindLookup(kind: string): Lookup {
  const range = 'telltale_events INDEXED BY telltale_events_entity WHERE entity >= ? AND entity < ?';
  return { index: 'entity', from: range, values: [[`${kind}/`, `${kind}0`]] };
}
