import { expected } from '../errors.ts';
import type { StoredEvent } from '../event/event.ts';
import { entityKind as kindOf } from '../event/identity.ts';
import { parsePath, readPath } from '../event/path.ts';
import { compileFilter } from '../filter/compile.ts';
import { hintsOf } from '../filter/hints.ts';
import type { PathEquality } from '../filter/hints.ts';
import type { Page, PageHints, PageQuery } from './port.ts';
import { Slice } from './slice.ts';

/** One page as a store answers it, before the residual filter. */
export type ReadRaw = (query: PageQuery) => Promise<Page>;

export const MAX_PAGE_EVENTS = 10_000;
/** A page ends with the event with which it reaches so many bytes, so that no page of large events fills the memory. */
export const PAGE_BYTES = 16 * 1024 * 1024;
const CHUNK_EVENTS = 512;
/** A page ends after this many events were looked at, so that a filter nothing satisfies cannot hold its caller. */
const LOOKED_EVENTS = 10_000;
/** Events that are filtered between two looks at the clock: payloads may be large. */
const STEP = 4;

/** Whether an event satisfies every hint and the filter. Throws `INVALID_FILTER`, `INVALID_PATH`. */
export function compileHints(hints: PageHints): ((event: StoredEvent) => boolean) | undefined {
  const tests: ((event: StoredEvent) => boolean)[] = [];
  const { ids, types, entity, entityKind, correlationId, causationId, time, equals, where } = hints;
  if (ids !== undefined) tests.push(isIn(ids, (event) => event.id));
  if (types !== undefined) tests.push(isIn(types, (event) => event.type));
  if (entity !== undefined) tests.push((event) => event.entity === entity);
  if (entityKind !== undefined) tests.push(isOfKind(entityKind));
  if (correlationId !== undefined) tests.push((event) => event.correlationId === correlationId);
  if (causationId !== undefined) tests.push((event) => event.causationId === causationId);
  if (time !== undefined) tests.push(isWithin(time.from ?? -Infinity, time.to ?? Infinity));
  // What the filter says of paths it tests itself.
  if (where === undefined) for (const equality of equals ?? []) tests.push(hasOneOf(equality));
  if (where !== undefined) tests.push(compileFilter(where));
  if (tests.length === 0) return undefined;
  return (event) => tests.every((test) => test(event));
}

/** A query with the hints that its filter gives, so that a store need not read filters. */
export function withHints<Q extends PageHints>(query: Q): Q {
  return query.where === undefined ? query : { ...hintsOf(query.where), ...query };
}

/** Throws `INVALID_QUERY`. */
export function checkPageQuery(query: PageQuery): PageQuery {
  const { after, through, limit } = query;
  if (!isBound(after)) throw expected('INVALID_QUERY', '`after`', 'a position from 0', after);
  if (!isBound(through)) throw expected('INVALID_QUERY', '`through`', 'a position from 0', through);
  if (!(Number.isSafeInteger(limit) && limit >= 1 && limit <= MAX_PAGE_EVENTS))
    throw expected('INVALID_QUERY', '`limit`', `an integer from 1 to ${MAX_PAGE_EVENTS}`, limit);
  return query;
}

/**
 * Fills one page with the events that satisfy `matches`, whatever the store has narrowed down itself. The page may
 * hold fewer events than the limit, even none, while `done` is false: the next page starts at `looked`. The event loop
 * turns while a filter looks at many events or large ones. Nothing is added to a page that has its bytes.
 */
export async function fillPage(
  read: ReadRaw,
  query: PageQuery,
  matches: ((event: StoredEvent) => boolean) | undefined,
): Promise<Page> {
  const events: StoredEvent[] = [];
  let range = query;
  let scanned = 0;
  let bytes = 0;
  let index: string | undefined;
  const slice = new Slice();
  const page = (looked: number, done: boolean): Page => ({
    events,
    looked,
    done,
    scanned,
    ...(index !== undefined && { index }),
    ...(bytes > 0 && { bytes }),
  });
  for (let seen = 0; ;) {
    const wanted = query.limit - events.length;
    // An index answers with what is wanted, and what is read beyond that is read again by the next page.
    const limit = matches === undefined || seen === 0 ? wanted : Math.max(wanted, CHUNK_EVENTS);
    const raw = await read({ ...range, limit });
    // Nothing is copied where the store's answer is the page.
    if (matches === undefined && seen === 0 && isWhole(raw, limit))
      return { ...raw, scanned: raw.scanned ?? raw.events.length };
    const taken = await take(raw.events, wanted, matches, { into: events, slice });
    scanned += raw.scanned ?? raw.events.length;
    bytes += raw.bytes ?? 0;
    index ??= raw.index;
    if (taken < raw.events.length) return page(raw.events[taken - 1]!.position, false);
    seen += raw.events.length;
    const isFull = events.length >= query.limit || seen >= LOOKED_EVENTS || bytes >= PAGE_BYTES;
    if (raw.done || isFull) return page(raw.looked, raw.done);
    range = behind(range, raw.looked);
  }
}

/** The rest of a query after a page that ended at `looked`. */
export function behind(query: PageQuery, looked: number): PageQuery {
  return query.descending ? { ...query, through: looked - 1 } : { ...query, after: looked };
}

function isWhole({ events, done }: Page, limit: number): boolean {
  return events.length === limit || (done && events.length < limit);
}

/** How many of `raw` were looked at until `limit` was reached. */
async function take(
  raw: readonly StoredEvent[],
  limit: number,
  matches: ((event: StoredEvent) => boolean) | undefined,
  { into, slice }: { readonly into: StoredEvent[]; readonly slice: Slice },
): Promise<number> {
  let left = limit;
  for (let i = 0; i < raw.length; i++) {
    if (left === 0) return i;
    const event = raw[i]!;
    if (i % STEP === STEP - 1 && slice.isOver) await slice.rest();
    if (matches !== undefined && !matches(event)) continue;
    into.push(event);
    left--;
  }
  return raw.length;
}

function isIn(values: readonly string[], field: (event: StoredEvent) => string): (event: StoredEvent) => boolean {
  const set = new Set(values);
  return (event) => set.has(field(event));
}

function isOfKind(kind: string): (event: StoredEvent) => boolean {
  return ({ entity }) => entity !== undefined && kindOf(entity) === kind;
}

function hasOneOf({ path, values }: PathEquality): (event: StoredEvent) => boolean {
  const segments = parsePath(path);
  return (event) => values.includes(readPath(event, segments));
}

function isWithin(from: number, to: number): (event: StoredEvent) => boolean {
  return (event) => event.time >= from && event.time <= to;
}

function isBound(value: unknown): boolean {
  return value === Infinity || (Number.isSafeInteger(value) && (value as number) >= 0);
}
