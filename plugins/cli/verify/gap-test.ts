import { systemClock } from '../../../lib/index.ts';
import type { Store, TelltaleEvent } from '../../../lib/plugin.ts';
import type { Specimen } from './subject.ts';

export interface GapReport {
  readonly events: number;
  readonly writers: number;
  readonly readers: number;
  readonly stores: number;
}

const WRITERS = 8;
const READERS = 4;
const STORES = 4;
const PAGE = 100;

/**
 * Writers append, some of it in vain, while readers go by position: each must see every event once and in order,
 * without a hole that is filled later. Where the store is shared, they have several stores on the same log, with
 * connections of their own, but all of this process.
 */
export async function gapTest(specimen: Specimen, count: number): Promise<GapReport> {
  const first = await openOne(specimen);
  const others = first.supports.shared
    ? await Promise.all(Array.from({ length: STORES - 1 }, () => openOne(specimen)))
    : [];
  const stores = [first, ...others];
  const state = { left: count, failed: false, written: 0 };
  try {
    const writing = Array.from({ length: WRITERS }, (_, i) => write(stores[i % stores.length]!, i, state));
    const done = Promise.all(writing).finally(() => (state.failed = true));
    const ended = done.then(async () => (await first.head()).position);
    // Readers look for the end; who fails is told below.
    ended.catch(() => undefined);
    const reading = Array.from({ length: READERS }, (_, i) => read(stores[i % stores.length]!, ended));
    const seen = await Promise.all(reading);
    await done;
    for (const events of seen)
      if (events !== state.written) throw new Error(`a reader saw ${events} events of ${state.written} acknowledged`);
    return { events: state.written, writers: WRITERS, readers: READERS, stores: stores.length };
  } finally {
    for (const store of stores) await store.close();
  }
}

async function openOne(specimen: Specimen): Promise<Store> {
  const store = await specimen.create(systemClock);
  await store.open();
  return store;
}

async function write(store: Store, writer: number, state: { left: number; written: number }): Promise<void> {
  for (let n = 0; state.left > 0; n++) {
    const events = Array.from({ length: 1 + (n % 3) }, (_, i) => eventOf(`gap-${writer}-${n}-${i}`));
    state.left -= events.length;
    // Refused on purpose: it must use up no position.
    if (n % 7 === 3) {
      const refused = await store.append([eventOf(`vain-${writer}-${n}`)], { expect: 1_000_000 }).then(
        () => false,
        () => true,
      );
      if (!refused) throw new Error('an append that expects another revision was stored');
    }
    await store.append(events);
    state.written += events.length;
    // A store in memory answers without ever waiting: readers must have their turns.
    if (n % 2 === 0) await turn();
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function eventOf(id: string): TelltaleEvent {
  return {
    id,
    type: 'gap.tested',
    source: 'verify',
    time: 1,
    entity: `gap/${id}`,
    correlationId: id,
    schemaVersion: 1,
    payload: { text: 'x'.repeat(100) },
    metadata: {},
  };
}

/** Reads by position until the end is known and reached; answers how many events it saw. */
async function read(store: Store, ended: Promise<number>): Promise<number> {
  let end: number | undefined;
  void ended.then(
    (position) => (end = position),
    () => (end = 0),
  );
  let [last, seen] = [0, 0];
  const ids = new Set<string>();
  for (;;) {
    const isEnd = end !== undefined && last >= end;
    if (isEnd) return seen;
    const { position } = await store.head();
    const page = await store.page({ after: last, through: Math.max(position, last), descending: false, limit: PAGE });
    for (const event of page.events) {
      if (event.position !== last + 1)
        throw new Error(`a reader got position ${event.position} behind ${last}, at head ${position}`);
      if (ids.has(event.id)) throw new Error(`a reader got event ${event.id} twice`);
      ids.add(event.id);
      last = event.position;
      seen++;
    }
    if (page.events.length === 0 && last < position)
      throw new Error(`a reader at position ${last} got nothing, and the head is ${position}`);
    await turn();
  }
}
