import type { Store, StoredEvent } from '../../lib/plugin.ts';
import { buildEvent } from '../support/event-builder.ts';

/** All that a copy must have, in a form that two stores can be compared by. */
export async function contentOf(store: Store): Promise<object> {
  const events: StoredEvent[] = [];
  for await (const event of store.read()) events.push(event);
  const head = await store.head();
  const tombstones = await store.tombstones({ from: 1, to: Infinity }, 100_000);
  const revisions: Record<string, number> = {};
  for (const i of ENTITIES) revisions[`task/${i}`] = await store.revision(`task/${i}`);
  const removed = (await store.removed()).map(({ from, to, reason, at }) => ({ from, to, reason, at }));
  return {
    head,
    events,
    removed,
    revisions,
    known: tombstones.map(({ id, position, revision, storedAt, hash }) => [id, position, revision, storedAt, hash]),
    documents: await documentsOf(store),
  };
}

export async function documentsOf(store: Store): Promise<Record<string, unknown>> {
  const documents: Record<string, unknown> = {};
  for (const collection of await store.collections())
    if (collection !== 'copies')
      for (const { key, value } of await store.listDocuments(collection)) documents[`${collection}/${key}`] = value;
  return Object.fromEntries(Object.entries(documents).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

export const ENTITIES = [0, 1, 2, 3, 4];

/** Appends events of a few entities, some without. */
export async function fill(store: Store, count: number, label = 'e'): Promise<void> {
  for (let n = 0; n < count; n += 7) {
    const events = Array.from({ length: Math.min(7, count - n) }, (_, i) =>
      buildEvent({
        id: `${label}-${n + i}`,
        entity: (n + i) % 6 === 5 ? undefined : `task/${(n + i) % 6}`,
        payload: { n: n + i, text: `about ${label} ${n + i}` },
      }),
    );
    await store.append(events);
  }
}

/** A log with holes at its beginning, in its middle and at its end, and with documents. */
export async function fillWithHoles(store: Store): Promise<void> {
  await fill(store, 200);
  await store.remove([{ from: 1, to: 9 }], 'too old');
  await store.remove(
    [40, 42, 44, 46].map((at) => ({ from: at, to: at })),
    'erased',
  );
  await store.remove([{ from: 100, to: 140 }], 'too many');
  await store.remove([{ from: 195, to: 200 }], 'too new');
  await store.putDocument('checkpoints', 'reader', { position: 90 }, { position: 90 });
  await store.putDocument('snapshots', 'task/1', { state: [1, 2, 3] });
}
