import type { StoredEvent } from '../event/event.ts';
import type { Filter } from '../filter/language.ts';
import type { Store } from '../store/port.ts';
import { inTimeOrder } from '../store/read/in-time-order.ts';
import { scan } from '../store/read/scan.ts';
import type { Window } from '../store/read/window.ts';

export interface SourceOptions {
  readonly store: Store;
  readonly where: Filter | undefined;
  readonly window: Window;
  readonly byTime: boolean;
  readonly backward: boolean;
  /** Leaves out the events of the bus itself. */
  readonly withoutReserved: boolean;
  readonly signal: AbortSignal | undefined;
}

const PAGE_EVENTS = 1_000;
const BATCH_EVENTS = 256;

/** A handful of events. */
export interface Batch {
  readonly events: readonly StoredEvent[];
  /** Everything up to this position has been looked at; undefined where events do not come by position. */
  readonly looked: number | undefined;
}

/** The events in the order they are told, by the handful; one handful is read while the one before it is told. */
export function openSource(options: SourceOptions): AsyncGenerator<Batch, void, undefined> {
  return readAhead(options.byTime ? batchesInTimeOrder(options) : pages(options));
}

async function* pages(options: SourceOptions): AsyncGenerator<Batch, void, undefined> {
  const { store, backward, ...terms } = options;
  const scanned = scan(store, { ...terms, descending: backward, pageEvents: PAGE_EVENTS });
  for await (const { events, looked } of scanned) yield { events, looked };
}

async function* batchesInTimeOrder(options: SourceOptions): AsyncGenerator<Batch, void, undefined> {
  const { store, backward, ...terms } = options;
  let batch: StoredEvent[] = [];
  for await (const event of inTimeOrder(store, terms, backward)) {
    batch.push(event);
    if (batch.length < BATCH_EVENTS) continue;
    yield { events: batch, looked: undefined };
    batch = [];
  }
  if (batch.length > 0) yield { events: batch, looked: undefined };
}

async function* readAhead<T>(source: AsyncGenerator<T, void, undefined>): AsyncGenerator<T, void, undefined> {
  let next = source.next();
  try {
    for (;;) {
      const { value, done } = await next;
      if (done === true) return;
      next = source.next();
      // Looked at when it is its turn, or never.
      next.catch(() => undefined);
      yield value;
    }
  } finally {
    // Cannot reject: what the read under way says is told to `next`.
    void source.return();
  }
}

/** How many events there are to tell. */
export async function countSource(options: SourceOptions): Promise<number> {
  const { store, ...terms } = options;
  let count = 0;
  const scanned = scan(store, { ...terms, descending: false, pageEvents: PAGE_EVENTS });
  for await (const { events } of scanned) count += events.length;
  return count;
}
