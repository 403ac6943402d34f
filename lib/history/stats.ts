import { expected } from '../errors.ts';
import type { StoredEvent } from '../event/event.ts';
import { checkSignal, mustKnow } from '../parse-options.ts';
import { Serial } from '../serial.ts';
import type { RemovedRange, Store } from '../store/port.ts';
import { scan } from '../store/read/scan.ts';
import { Tally, type Ranking } from './ranking.ts';
import { TimeHistogram, type TimeBucket } from './time-histogram.ts';

export interface StatsOptions {
  /** How many types and sources are listed, 1 to 10,000. @default 20 */
  readonly top?: number;
  /** Ends a long read with `ABORTED`. */
  readonly signal?: AbortSignal;
}

/** One end of the log. */
export type EventMark = Pick<StoredEvent, 'id' | 'type' | 'position' | 'time' | 'storedAt'>;

/** What a log holds. */
export interface Stats {
  /** Events that are there, those of the bus itself (`$…`) among them, which `count` leaves out. */
  readonly events: number;
  /** The highest position ever given. */
  readonly head: number;
  readonly removed: {
    /** Positions that were taken out on purpose. */
    readonly positions: number;
    /** When last, epoch ms. */
    readonly lastAt?: number;
    readonly lastReason?: string;
  };
  /** By position; absent where nothing is there. */
  readonly oldest?: EventMark;
  readonly newest?: EventMark;
  readonly types: Ranking;
  readonly sources: Ranking;
  /** Over the events' own times, in at most 120 buckets of one width. */
  readonly overTime: { readonly bucketMs: number; readonly buckets: readonly TimeBucket[] };
  /** Bytes on the disk or in memory, as far as the store can tell. */
  readonly storedBytes: number;
  /** Bytes of the events as JSON, before compression. */
  readonly originalBytes: number;
}

const TOP = 20;
const MOST = 10_000;
const BUCKETS = 120;
const SCANNED_EVENTS = 500;

interface Book {
  /** Counted up to this position. */
  through: number;
  events: number;
  oldest?: EventMark;
  newest?: EventMark;
  readonly types: Tally;
  readonly sources: Tally;
  readonly times: TimeHistogram;
}

/**
 * Counts what a log holds. The first call reads everything, each later one only what came since, until something was
 * removed or rewritten. Calls run one after the other. Rejects with `INVALID_QUERY`, `ABORTED`.
 */
export function createStats(
  store: Store,
  onClose: (undo: () => void) => unknown = () => undefined,
): (options?: StatsOptions) => Promise<Stats> {
  let book = emptyBook();
  let removedAtCount = 0;
  let changes = 0;
  const calls = new Serial();
  onClose(
    store.onRemove(() => {
      changes++;
      book = emptyBook();
    }),
  );

  const read = async (options: StatsOptions): Promise<Stats> => {
    const { top, signal } = parse(options);
    const removed = removedOf(await store.removed());
    const began = changes;
    // Another process may have removed something, which nobody has told us.
    if (removed.positions !== removedAtCount) book = emptyBook();
    const counting = book;
    // What ends in the middle has counted a part; the next call starts over.
    book = emptyBook();
    const { position: head } = await store.head();
    await countUp(counting, { store, head, signal });
    if (changes === began) {
      book = counting;
      removedAtCount = removed.positions;
    }
    const { storedBytes, originalBytes } = await store.size();
    const { events, oldest, newest, types, sources, times } = counting;
    return {
      events,
      head,
      removed,
      ...(oldest && { oldest }),
      ...(newest && { newest }),
      types: types.ranking(top),
      sources: sources.ranking(top),
      overTime: { bucketMs: times.widthMs, buckets: times.buckets() },
      storedBytes,
      originalBytes,
    };
  };
  return (options = {}) => calls.run(() => read(options));
}

function parse(options: StatsOptions): { readonly top: number; readonly signal: AbortSignal | undefined } {
  if (typeof options !== 'object' || options === null)
    throw expected('INVALID_QUERY', 'the argument of `stats`', 'an object of options', options);
  mustKnow(options, ['top', 'signal'], 'stats', 'INVALID_QUERY');
  const { top = TOP } = options;
  const signal = checkSignal(options.signal, 'stats', 'INVALID_QUERY');
  if (Number.isInteger(top) && top >= 1 && top <= MOST) return { top, signal };
  throw expected('INVALID_QUERY', '`top`', `an integer from 1 to ${MOST}`, top);
}

async function countUp(
  book: Book,
  { store, head, signal }: { store: Store; head: number; signal: AbortSignal | undefined },
): Promise<void> {
  const window = { after: book.through, through: head };
  for await (const page of scan(store, {
    where: undefined,
    window,
    descending: false,
    pageEvents: SCANNED_EVENTS,
    signal,
  })) {
    for (const event of page.events) {
      book.types.add(event.type);
      book.sources.add(event.source);
      book.times.add(event.time);
    }
    book.events += page.events.length;
    const [first, end] = [page.events[0], page.events.at(-1)];
    if (first) book.oldest ??= markOf(first);
    if (end) book.newest = markOf(end);
  }
  book.through = head;
}

function emptyBook(): Book {
  return { through: 0, events: 0, types: new Tally(), sources: new Tally(), times: new TimeHistogram(BUCKETS) };
}

function markOf({ id, type, position, time, storedAt }: StoredEvent): EventMark {
  return { id, type, position, time, storedAt };
}

function removedOf(ranges: readonly RemovedRange[]): Stats['removed'] {
  let positions = 0;
  let latest: RemovedRange | undefined;
  for (const range of ranges) {
    positions += range.to - range.from + 1;
    if (latest === undefined || range.at >= latest.at) latest = range;
  }
  return { positions, ...(latest && { lastAt: latest.at, lastReason: latest.reason }) };
}
