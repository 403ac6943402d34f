import assert from 'node:assert/strict';
import { buildEvent, buildEvents } from './build-event.ts';
import { enqueue, idsOf, rejects } from './harness.ts';
import type { Chapter } from './harness.ts';

const entity = 'task/a';

export const expectations: Chapter = (test) => {
  test('appends at the expected revision', async ({ store }) => {
    await store.append(buildEvents(2, { entity }), { expect: 0 });
    const receipt = await store.append([buildEvent({ entity })], { expect: 2 });
    assert.deepEqual(receipt.revisions, [3]);
    await store.append([buildEvent({ entity })], { expect: 'any' });
    assert.equal(await store.revision(entity), 4);
  });

  test('refuses another revision and names the expected and the actual one', async ({ store }) => {
    await store.append(buildEvents(2, { entity }));
    for (const expect of [0, 1, 3, 'none'] as const) {
      const error = await rejects(store.append([buildEvent({ entity })], { expect }), 'EXPECTATION_FAILED');
      assert.deepEqual([error.details['expected'], error.details['actual']], [expect, 2]);
    }
    assert.equal((await store.head()).position, 2);
  });

  test('takes the revision of the first event of a batch', async ({ store }) => {
    await store.append([buildEvent({ entity: 'task/b' })]);
    await store.append([buildEvent({ entity }), buildEvent({ entity: 'task/b' })], { expect: 'none' });
    assert.deepEqual([await store.revision(entity), await store.revision('task/b')], [1, 2]);
  });

  test('means by none that the entity was never written, not even removed', async ({ store, reopen }) => {
    await store.append([buildEvent({ entity })], { expect: 'none' });
    await store.remove([{ from: 1, to: 1 }], 'contract');
    await rejects(store.append([buildEvent({ entity })], { expect: 'none' }), 'EXPECTATION_FAILED');
    await rejects((await reopen()).append([buildEvent({ entity })], { expect: 'none' }), 'EXPECTATION_FAILED');
  });

  test('appends while nothing that matches the query was stored since', async ({ store }) => {
    const query = { type: 'seat.taken', 'payload.seat': 7 };
    await store.append([buildEvent({ type: 'seat.taken', payload: { seat: 7 } })]);
    await store.append([buildEvent({ type: 'seat.taken', payload: { seat: 8 } })]);
    await rejects(store.append([buildEvent()], { expect: { query, after: 0 } }), 'EXPECTATION_FAILED');
    const taken = buildEvent({ type: 'seat.taken', payload: { seat: 7 } });
    assert.equal((await store.append([taken], { expect: { query, after: 1 } })).position, 3);
    const error = await rejects(store.append([buildEvent()], { expect: { query, after: 1 } }), 'EXPECTATION_FAILED');
    assert.deepEqual([error.details['expected'], error.details['actual']], [1, 3]);
    await store.append([buildEvent()], { expect: { query, after: 3 } });
  });

  test('evaluates a query against earlier appends of the same group commit', async ({ store }) => {
    const expect = { query: { type: 'seat.taken' }, after: 0 };
    const takes = buildEvents(5, { type: 'seat.taken' }).map((event) =>
      enqueue(store, [event], { expect, fresh: true }),
    );
    const answers = await Promise.allSettled(takes);
    assert.deepEqual(
      answers.map((answer) => answer.status === 'fulfilled'),
      [true, false, false, false, false],
    );
    assert.equal((await idsOf(store)).length, 1);
  });

  test('lets exactly one of many racing appends through', async ({ store }) => {
    for (let revision = 0; revision < 5; revision++) {
      const racers = buildEvents(20, { entity }).map((event) => store.append([event], { expect: revision }));
      const winners = (await Promise.allSettled(racers)).filter((answer) => answer.status === 'fulfilled');
      assert.equal(winners.length, 1);
    }
    assert.equal(await store.revision(entity), 5);
  });

  test('refuses an expectation that makes no sense', async ({ store }) => {
    const event = buildEvent({ entity });
    await rejects(store.append([event], { expect: -1 }), 'INVALID_OPTION');
    await rejects(store.append([event], { expect: 1.5 }), 'INVALID_OPTION');
    await rejects(store.append([buildEvent()], { expect: 'none' }), 'INVALID_OPTION');
    await rejects(store.append([event], { expect: { query: {}, after: -1 } }), 'INVALID_OPTION');
    const query = { 'payload.n': { $near: 1 } };
    const behind = store.append([event], { expect: { query, after: 0 } });
    await rejects(behind, 'INVALID_FILTER');
    assert.equal((await store.append([event])).position, 1);
  });
};
