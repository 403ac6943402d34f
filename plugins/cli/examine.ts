import { contentHash, toError } from '../../lib/plugin.ts';
import type { Damageable, Store, StoredEvent } from '../../lib/plugin.ts';
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
    for await (const page of pagesOf(store, head)) {
      const known = await store.find(page.map(({ id }) => id));
      await checkRemoved(store, page, faults);
      for (const event of page) {
        const { id, position } = event;
        events++;
        if (position <= last) faults.add({ problem: 'a position is there twice, or out of order', position });
        await checkHole(store, last, position, faults);
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
    await checkHole(store, last, head + 1, faults);
    await checkOwn(store, faults);
    while (revisions.next())
      for await (const page of pagesOf(store, head)) for (const event of page) checkRevision(event, revisions, faults);
  } catch (error) {
    faults.add({ problem: `it cannot be read any further: ${toError(error).message}`, position: last + 1 });
  }
  for (const { name, position } of positions)
    if (position > head)
      faults.add({ problem: `document ${name} is ahead of the log, which ends at ${head}`, position });
  return { head, events, faults: faults.kept, found: faults.count, notes: [...store.health().notices] };
}

async function* pagesOf(store: Store, head: number): AsyncGenerator<readonly StoredEvent[]> {
  for (let after = 0; after < head;) {
    const page = await store.page({ after, through: head, descending: false, limit: PAGE });
    yield page.events;
    after = page.done ? head : page.looked;
  }
}

function checkRevision(event: StoredEvent, revisions: RisingRevisions, faults: Faults): void {
  const { entity, revision, position } = event;
  if (entity === undefined || revisions.rises(entity, revision, position)) return;
  faults.add({ problem: `revision ${revision} of ${entity} does not rise`, position });
}

class Faults {
  readonly kept: Fault[] = [];
  count = 0;

  add(fault: Fault): void {
    if (this.count++ < KEPT) this.kept.push(fault);
  }
}

/** What lies between two events must have been removed on record. */
async function checkHole(store: Store, last: number, next: number, faults: Faults): Promise<void> {
  let missing = last + 1;
  if (missing >= next) return;
  for (const { from, to } of await store.removed({ from: missing, to: next - 1 }))
    if (from <= missing && to >= missing) missing = to + 1;
  if (missing >= next) return;
  const what = missing === next - 1 ? `position ${missing} is` : `positions ${missing} to ${next - 1} are`;
  faults.add({ problem: `${what} missing`, position: missing });
}

/** What was removed is not there: both change together. */
async function checkRemoved(store: Store, page: readonly StoredEvent[], faults: Faults): Promise<void> {
  const [first, last] = [page[0]?.position, page.at(-1)?.position];
  if (first === undefined || last === undefined) return;
  const removed = await store.removed({ from: first, to: last });
  for (const { position } of page) {
    if (!removed.some(({ from, to }) => from <= position && position <= to)) continue;
    // It may have been removed since the page was read.
    const query = { after: position - 1, through: position, descending: false, limit: 1 };
    if ((await store.page(query)).events.length > 0)
      faults.add({ problem: 'both an event and its removal are recorded', position });
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
