import { systemClock } from '../../../lib/plugin.ts';
import type { Store } from '../../../lib/plugin.ts';
import type { Acknowledged } from './child.ts';
import { startChild } from './child.ts';
import { VAIN, turn, writeForGaps } from './gap-writer.ts';
import type { Specimen } from './subject.ts';

export interface GapReport {
  readonly events: number;
  readonly writers: number;
  readonly readers: number;
  /** Processes that wrote beside this one; 0 where only one may write. */
  readonly processes: number;
  /** How many of them were killed while they wrote. */
  readonly killed: number;
}

const WRITERS = 8;
const READERS = 4;
/** Of eight writers these do not live to their end: the first in the middle, the last soon. */
const KILLED = [0, 4, 7];
const PAGE = 100;

/**
 * Writers append, some of it in vain, while readers go by position: each must see every event once and in order,
 * without a hole that is filled later, and what was acknowledged at its position. Where the store is shared, each writer
 * is a process and some are killed; the readers have stores of their own.
 */
export async function gapTest(specimen: Specimen, count: number): Promise<GapReport> {
  const first = await openOne(specimen);
  const { shared } = first.supports;
  const others = shared ? await Promise.all(Array.from({ length: READERS - 1 }, () => openOne(specimen))) : [];
  const stores = [first, ...others];
  try {
    let begin!: () => void;
    const begun = new Promise<void>((resolve) => (begin = resolve));
    const written = shared ? writeInProcesses(specimen, count, begin) : writeHere(first, count);
    const ended = written.then(async () => (await first.head()).position);
    // Readers look for the end; who fails is told below.
    ended.catch(() => undefined);
    // Processes take a while to start, and until then there is nothing to be seen.
    if (shared) await Promise.race([begun, written]);
    const reading = Array.from({ length: READERS }, (_, i) => read(stores[i % stores.length]!, ended));
    const seen = await Promise.all(reading);
    const acks = await written;
    for (const ids of seen) compare(ids, acks, await ended);
    const processes = shared ? WRITERS : 0;
    return { events: await ended, writers: WRITERS, readers: READERS, processes, killed: shared ? KILLED.length : 0 };
  } finally {
    for (const store of stores) await store.close();
  }
}

async function openOne(specimen: Specimen): Promise<Store> {
  const store = await specimen.create(systemClock);
  await store.open();
  return store;
}

async function writeHere(store: Store, count: number): Promise<readonly Acknowledged[]> {
  const acks: Acknowledged[] = [];
  const events = Math.ceil(count / WRITERS);
  const acknowledged = (answer: Acknowledged): void => void acks.push(answer);
  const writing = Array.from({ length: WRITERS }, (_, i) =>
    writeForGaps(store, { writer: `${i}`, events, acknowledged }),
  );
  await Promise.all(writing);
  return acks;
}

async function writeInProcesses(
  { reach }: Specimen,
  count: number,
  begun: () => void,
): Promise<readonly Acknowledged[]> {
  const each = Math.ceil(count / WRITERS);
  const children = Array.from({ length: WRITERS }, (_, i) => {
    const doomed = KILLED.indexOf(i);
    // One without an end of its own cannot be done before it is killed.
    const words = [JSON.stringify(reach), `${i}`, `${doomed < 0 ? each : Number.MAX_SAFE_INTEGER}`];
    const child = startChild('gap-child', words, (answers) => {
      begun();
      if (doomed >= 0 && answers * (doomed + 2) >= each) child.kill();
    });
    return child;
  });
  try {
    const ended = await Promise.all(
      children.map(async ({ ended: end }, i) => {
        const { acks, isKilled, problem } = await end;
        if (problem !== '' && !isKilled) throw new Error(`writing process ${i + 1} of ${WRITERS}: ${problem}`);
        return acks;
      }),
    );
    return ended.flat();
  } finally {
    for (const child of children) child.kill();
    // Until they have ended they may write to what is dropped next.
    await Promise.allSettled(children.map(({ ended }) => ended));
  }
}

/** Reads by position until the end is known and reached; answers the ids in order. */
async function read(store: Store, ended: Promise<number>): Promise<readonly string[]> {
  let end = Infinity;
  void ended.then(
    (position) => (end = position),
    () => (end = 0),
  );
  let last = 0;
  const ids = new Set<string>();
  for (;;) {
    if (last >= end) return [...ids];
    const { position } = await store.head();
    const page = await store.page({ after: last, through: Math.max(position, last), descending: false, limit: PAGE });
    for (const event of page.events) {
      if (event.position !== last + 1)
        throw new Error(`a reader got position ${event.position} behind ${last}, at head ${position}`);
      if (ids.has(event.id)) throw new Error(`a reader got event ${event.id} twice`);
      ids.add(event.id);
      last = event.position;
    }
    if (page.events.length === 0 && last < position)
      throw new Error(`a reader at position ${last} got nothing, and the head is ${position}`);
    await turn();
  }
}

/** What was acknowledged is at its position, and what was refused is nowhere. */
function compare(ids: readonly string[], acks: readonly Acknowledged[], head: number): void {
  if (ids.length !== head) throw new Error(`a reader saw ${ids.length} events, and the head is ${head}`);
  const vain = ids.find((id) => id.startsWith(VAIN));
  if (vain !== undefined) throw new Error(`event ${vain} was refused, and a reader got it`);
  for (const { batch, size, position } of acks)
    for (let i = 0; i < size; i++)
      if (ids[position + i - 1] !== `${batch}-${i}`)
        throw new Error(
          `event ${batch}-${i} was acknowledged at position ${position + i}, and a reader got another there`,
        );
}
