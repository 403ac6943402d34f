import assert from 'node:assert/strict';
import type { Store } from '../../lib/plugin.ts';
import { buildEvent, buildEvents } from './build-event.ts';
import { enqueue, idsOf, positionsOf, rejects, upTo } from './harness.ts';
import type { Chapter } from './harness.ts';

export const lifecycle: Chapter = (test) => {
  test('opens once, however often it is asked', async ({ store }) => {
    await Promise.all([store.open(), store.open()]);
    assert.equal(store.health().status, 'open');
    assert.equal((await store.append([buildEvent()])).position, 1);
  });

  test('refuses everything once it is closed', async ({ store }) => {
    await store.append([buildEvent()]);
    await store.close();
    assert.equal(store.health().status, 'closed');
    await assertRefuses(store);
  });

  test('closes once, however often it is asked', async ({ store }) => {
    await Promise.all([store.close(), store.close()]);
    await store.close();
    assert.equal(store.health().status, 'closed');
  });

  test('writes what is queued before it closes, and takes nothing more', async ({ store, reopen }) => {
    const queued = buildEvents(3_000).map((event) => enqueue(store, [event], { fresh: true }));
    const reopened = reopen();
    await rejects(enqueue(store, [buildEvent()]), 'STORE_CLOSED');
    await Promise.all(queued);
    assert.deepEqual(await positionsOf(await reopened), upTo(3_000));
  });

  test('goes on where it was when it is opened anew', async ({ store, clock, reopen }) => {
    const events = buildEvents(5, { entity: 'task/a' });
    await clock.advance(10_000);
    const { storedAt } = await store.append(events);
    const before = await store.head();
    await clock.advance(-5_000);
    const again = await reopen();
    assert.deepEqual(await again.head(), before);
    assert.deepEqual(
      await idsOf(again),
      events.map(({ id }) => id),
    );
    const receipt = await again.append([buildEvent({ entity: 'task/a' })], { expect: 5 });
    assert.deepEqual([receipt.position, receipt.revisions, receipt.storedAt], [6, [6], storedAt]);
  });

  test('opens anew many times', async ({ store, reopen }) => {
    let opened = store;
    for (let i = 1; i <= 5; i++) {
      assert.equal((await opened.append([buildEvent()])).position, i);
      opened = await reopen();
    }
    assert.deepEqual(await positionsOf(opened), upTo(5));
  });

  test('opens anew without ever having been written', async ({ reopen }) => {
    const again = await reopen();
    assert.deepEqual(await again.head(), { position: 0, storedAt: 0 });
    assert.equal((await again.append([buildEvent()])).position, 1);
  });

  test('syncs what was acknowledged', async ({ store }) => {
    await store.append(buildEvents(3));
    await store.sync();
    assert.equal(store.health().status, 'open');
  });

  test('says how it is', async ({ store }) => {
    const appended = enqueue(store, buildEvents(2));
    assert.equal(store.health().queued, 2);
    await appended;
    const { status, queued, lastError, notices } = store.health();
    assert.deepEqual([status, queued, lastError, notices], ['open', 0, undefined, []]);
  });
};

async function assertRefuses(store: Store): Promise<void> {
  const page = { after: 0, through: 10, descending: false, limit: 10 };
  const calls: readonly (() => Promise<unknown>)[] = [
    () => store.append([buildEvent()]),
    () => enqueue(store, [buildEvent()]),
    () => store.page(page),
    () => idsOf(store),
    () => store.head(),
    () => store.find(['a']),
    () => store.revision('task/a'),
    () => store.remove([{ from: 1, to: 1 }], 'contract'),
    () => store.removed(),
    () => store.rewrite([]),
    () => store.document('c', 'k'),
    () => store.putDocument('c', 'k', 1),
    () => store.listDocuments('c'),
    () => store.deleteDocument('c', 'k'),
    () => store.sync(),
  ];
  for (const call of calls) await rejects(call(), 'STORE_CLOSED');
}
