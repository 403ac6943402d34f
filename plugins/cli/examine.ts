import { contentHash, mergeRanges, overlapping, subtractRanges, toError } from '../../lib/plugin.ts';
import type { Damageable, Range, Store, StoredEvent } from '../../lib/plugin.ts';
import type { Diagnosis, Fault } from './diagnosis.ts';
import { RisingRevisions } from './rising-revisions.ts';

const KEPT = 1_000;
const PAGE = 1_000;

/**
 * Looks through a log by its port alone: whether every position has an event or a recorded removal, each once and in
 * order, revisions that rise, ids that lead to their events, documents that are not ahead. Memory does not grow with
 * the log: one of more than half a million entities is read more than once.
 */
export async function examine(store: Store, revisions = new RisingRevisions()): Promise<Omit<Diagnosis, 'kind'>> {
  const faults = new Faults();
  // Before the head: documents move with the log.
  const positions = await documentPositions(store, faults);
  const { position: head } = await store.head();
  let [events, last] = [0, 0];
  try {
    for await (const stretch of stretchesOf(store, head)) {
      await checkPositions(store, stretch, faults);
      const known = await store.find(stretch.events.map(({ id }) => id));
      for (const event of stretch.events) {
        const { id, position } = event;
        events++;
        if (position <= last) faults.add({ problem: 'a position is there twice, or out of order', position });
        last = Math.max(last, position);
        const found = known.get(id);
        if (found?.position !== position) faults.add({ problem: `id ${id} does not lead to its event`, position });
        else if (found.hash !== contentHash(event))
          faults.add({ problem: `the content of event ${id} is not what was stored`, position });
        else if (found.revision !== event.revision)
          faults.add({ problem: `event ${id} was stored as revision ${found.revision}`, position });
        checkRevision(event, revisions, faults);
      }
    }
    await checkOwn(store, faults);
    while (revisions.next())
      for await (const { events: again } of stretchesOf(store, head))
        for (const event of again) checkRevision(event, revisions, faults);
  } catch (error) {
    faults.add({ problem: `it cannot be read any further: ${toError(error).message}`, position: last + 1 });
  }
  for (const { name, position } of positions)
    if (position > head)
      faults.add({ problem: `document ${name} is ahead of the log, which ends at ${head}`, position });
  return { head, events, faults: faults.kept, found: faults.count, notes: [...store.health().notices] };
}

/** The events of a part of the log, all there are. */
interface Stretch extends Range {
  readonly events: readonly StoredEvent[];
}

async function* stretchesOf(store: Store, head: number): AsyncGenerator<Stretch> {
  for (let after = 0; after < head;) {
    const { events, done, looked } = await store.page({ after, through: head, descending: false, limit: PAGE });
    const to = done ? head : looked;
    yield { from: after + 1, to, events };
    after = to;
  }
}

/** An event with a fault of its own need not have the right revision. */
function checkRevision(event: StoredEvent, revisions: RisingRevisions, faults: Faults): void {
  const { entity, revision, position } = event;
  if (entity === undefined || revisions.rises(entity, revision, position) || faults.has(position)) return;
  faults.add({ problem: `revision ${revision} of ${entity} does not rise`, position });
}

class Faults {
  readonly kept: Fault[] = [];
  readonly #positions = new Set<number | undefined>();
  count = 0;

  add(fault: Fault): void {
    if (this.count++ >= KEPT) return;
    this.kept.push(fault);
    this.#positions.add(fault.position);
  }

  /** Whether one of those that are kept is there. */
  has(position: number): boolean {
    return this.#positions.has(position);
  }
}

/** Each position has an event or a recorded removal, and not both: they change together. */
async function checkPositions(store: Store, { from, to, events }: Stretch, faults: Faults): Promise<void> {
  const removed = mergeRanges(await store.removed({ from, to }));
  const there = events.map(({ position }) => ({ from: position, to: position }));
  for (const hole of subtractRanges([{ from, to }], mergeRanges([...there, ...removed]))) {
    const what = hole.from === hole.to ? `position ${hole.from} is` : `positions ${hole.from} to ${hole.to} are`;
    faults.add({ problem: `${what} missing`, position: hole.from });
  }
  for (const one of there) {
    if (overlapping(removed, one).length === 0) continue;
    // It may have been removed since the events were read.
    const query = { after: one.from - 1, through: one.from, descending: false, limit: 1 };
    if ((await store.page(query)).events.length > 0)
      faults.add({ problem: 'both an event and its removal are recorded', position: one.from });
  }
}

/** What a store knows to be wrong beyond what is read of it. */
async function checkOwn(store: Store, faults: Faults): Promise<void> {
  if ('inspect' in store) for await (const fault of (store as Store & Damageable).inspect()) faults.add(fault);
}

async function documentPositions(store: Store, faults: Faults): Promise<readonly { name: string; position: number }[]> {
  const found: { name: string; position: number }[] = [];
  try {
    for (const collection of await store.collections())
      for (const { key, value } of await store.listDocuments(collection)) {
        const position = (value as { readonly position?: unknown } | null)?.position;
        if (typeof position === 'number') found.push({ name: `${collection}/${key}`, position });
      }
  } catch (error) {
    faults.add({ problem: `documents cannot be read: ${toError(error).message}` });
  }
  return found;
}
