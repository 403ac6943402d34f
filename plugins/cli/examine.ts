import { toError } from '../../lib/plugin.ts';
import type { Store, StoredEvent } from '../../lib/plugin.ts';
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
      for (const event of page) {
        const { id, position } = event;
        events++;
        if (position <= last) faults.add({ problem: 'a position is there twice, or out of order', position });
        await checkHole(store, last, position, faults);
        last = Math.max(last, position);
        if (known.get(id)?.position !== position)
          faults.add({ problem: `id ${id} does not lead to its event`, position });
        checkRevision(event, revisions, faults);
      }
    }
    await checkHole(store, last, head + 1, faults);
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
