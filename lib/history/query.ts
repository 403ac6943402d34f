import { systemClock, type Clock } from '../clock.ts';
import type { StoredEvent } from '../event/event.ts';
import type { Store } from '../store/port.ts';
import { Best } from '../store/read/best.ts';
import { scan } from '../store/read/scan.ts';
import { byTime, byTimeBackward, type Key } from '../store/read/time-order.ts';
import { resolveWindow, type Window } from '../store/read/window.ts';
import type { ResultCache } from './cache.ts';
import { readCursor, writeCursor, type Cursor } from './cursor.ts';
import { Cost } from './explain.ts';
import { paged, type Paged } from './paged.ts';
import { DEFAULT_LIMIT, MAX_LIMIT, parseQuery, type ParsedQuery, type QueryOptions } from './query-options.ts';

export interface QueryPage<Event = StoredEvent> {
  readonly events: readonly Event[];
  /** For the next page; absent when there is nothing more. */
  readonly cursor?: string;
}

/** `await` it for one page, or go over all events with `for await`. Nothing is read before. */
export type Query<Event = StoredEvent> = Paged<QueryPage<Event>, Event>;

export interface HistoryOptions {
  /** For `{ ago }`. @default the system's clock */
  readonly clock?: Clock;
  /** What readers get to see of an event: upcasters run here. */
  readonly present?: (event: StoredEvent) => StoredEvent;
  /** Where answers are kept, as they are stored. @default nowhere */
  readonly cache?: ResultCache | undefined;
}

const ITERATED_EVENTS = 1_000;
/** Events asked of the store at once: few enough to hold the event loop for some milliseconds only. */
const SCANNED_EVENTS = 500;

/**
 * Asks a store for events. Rejects with `INVALID_QUERY`, `INVALID_CURSOR`, `INVALID_PLACE` and what the filter throws.
 */
export function query(
  store: Store,
  options: QueryOptions = {},
  { clock = systemClock, present, cache }: HistoryOptions = {},
): Query {
  const start = async (): Promise<Reading> => {
    const parsed = parseQuery(options);
    const cursor =
      parsed.cursor === undefined ? undefined : readCursor(parsed.cursor, parsed.fingerprint, parsed.byTime);
    const window = cursor?.window ?? (await resolveWindow(parsed, store, clock));
    return { store, parsed, cursor, window, cost: new Cost() };
  };
  const show = (events: readonly StoredEvent[]): readonly StoredEvent[] => (present ? events.map(present) : events);
  return paged({
    async page() {
      const reading = await start();
      const { parsed, cursor, window } = reading;
      const { fingerprint, limit = DEFAULT_LIMIT } = parsed;
      const read = (): Promise<Read> => readPage(reading, limit);
      const { events, following } = await (cache
        ? cache.through(['query', fingerprint, limit, window, cursor], window, read)
        : read());
      return { events: show(events), ...(following && { cursor: writeCursor(following, fingerprint) }) };
    },
    async *items() {
      let reading = await start();
      const pageEvents = reading.parsed.byTime ? MAX_LIMIT : ITERATED_EVENTS;
      for (let left = reading.parsed.limit ?? Infinity; left > 0;) {
        const { events, following } = await readPage(reading, Math.min(left, pageEvents));
        yield* show(events);
        if (following === undefined) return;
        left -= events.length;
        reading = { ...reading, cursor: following };
      }
    },
    async explain() {
      const began = clock.monotonic();
      const reading = await start();
      const { events } = await readPage(reading, reading.parsed.limit ?? DEFAULT_LIMIT);
      return reading.cost.explain(events.length, clock.monotonic() - began, reading.parsed.where);
    },
  });
}

interface Reading {
  readonly store: Store;
  readonly parsed: ParsedQuery;
  readonly window: Window;
  readonly cursor: Cursor | undefined;
  readonly cost: Cost;
}

interface Read {
  readonly events: readonly StoredEvent[];
  readonly following: Cursor | undefined;
}

function readPage(reading: Reading, limit: number): Promise<Read> {
  return reading.parsed.byTime ? readByTime(reading, limit) : readByPosition(reading, limit);
}

async function readByPosition({ store, parsed, window, cursor, cost }: Reading, limit: number): Promise<Read> {
  const { where, withoutReserved, backward: descending, signal } = parsed;
  const events: StoredEvent[] = [];
  let rest = window;
  if (cursor) rest = descending ? { ...window, through: cursor.position - 1 } : { ...window, after: cursor.position };
  const pageEvents = Math.min(limit + 1, SCANNED_EVENTS);
  for await (const page of scan(store, { where, withoutReserved, window: rest, descending, pageEvents, signal })) {
    cost.add(page);
    for (const event of page.events) {
      // One more than asked for: only then is there a next page.
      if (events.length === limit)
        return { events, following: { window, position: events.at(-1)!.position, time: undefined } };
      events.push(event);
    }
  }
  return { events, following: undefined };
}

// Times do not follow positions, so each page looks through all that may still come and keeps what comes first.
async function readByTime({ store, parsed, window, cursor, cost }: Reading, limit: number): Promise<Read> {
  const { where, withoutReserved, backward, signal } = parsed;
  const order = backward ? byTimeBackward : byTime;
  const last: Key | undefined = cursor && { position: cursor.position, time: cursor.time! };
  const top = new Best<StoredEvent>(limit + 1, order);
  const rest =
    last === undefined ? window : { ...window, ...(backward ? { timeTo: last.time } : { timeFrom: last.time }) };
  for await (const page of scan(store, {
    where,
    withoutReserved,
    window: rest,
    descending: false,
    pageEvents: SCANNED_EVENTS,
    signal,
  })) {
    cost.add(page);
    for (const event of page.events) if (last === undefined || order(event, last) > 0) top.add(event);
  }
  const events = top.take();
  if (events.length <= limit) return { events, following: undefined };
  const { position, time } = events[limit - 1]!;
  return { events: events.slice(0, limit), following: { window, position, time } };
}
