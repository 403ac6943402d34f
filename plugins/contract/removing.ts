import assert from 'node:assert/strict';
import type { RemovedRange, Store } from '../../lib/plugin.ts';
import { buildEvent, buildEvents } from './build-event.ts';
import { positionsOf, readAll, rejects, upTo } from './harness.ts';
import type { Chapter } from './harness.ts';

const entity = 'task/a';

export const removing: Chapter = (test) => {
  test('removes ranges and says how many events went', async ({ store }) => {
    await store.append(buildEvents(10));
    assert.equal(
      await store.remove(
        [
          { from: 2, to: 4 },
          { from: 9, to: 9 },
        ],
        'contract',
      ),
      4,
    );
    assert.deepEqual(await positionsOf(store), [1, 5, 6, 7, 8, 10]);
    assert.deepEqual(await positionsOf(store, { descending: true, limit: 2 }), [10, 8, 7, 6, 5, 1]);
    assert.equal((await store.head()).position, 10);
  });

  test('finds removed events by no way of reading', async ({ store }) => {
    const events = buildEvents(4, { entity, correlationId: 'c', causationId: 'cause' });
    await store.append(events);
    await store.remove([{ from: 1, to: 3 }], 'contract');
    const ids = events.map((event) => event.id);
    const ways = [
      { ids },
      { types: ['task.created'] },
      { entity },
      { correlationId: 'c' },
      { causationId: 'cause' },
      { time: { from: 0 } },
    ];
    for (const hints of ways) assert.deepEqual(await positionsOf(store, hints), [4], JSON.stringify(hints));
  });

  test('records what was removed, when and why', async ({ store, clock }) => {
    await store.append(buildEvents(10));
    await store.remove([{ from: 2, to: 4 }], 'too old');
    const first = clock.now();
    await clock.advance(1_000);
    await store.remove([{ from: 7, to: 7 }], 'too many');
    const expected = [
      { from: 2, to: 4, reason: 'too old', at: first },
      { from: 7, to: 7, reason: 'too many', at: first + 1_000 },
    ];
    assert.deepEqual(await store.removed(), expected);
    assert.deepEqual(await store.removed({ from: 5, to: 100 }), expected.slice(1));
    assert.deepEqual(await store.removed({ from: 5, to: 6 }), []);
    assert.deepEqual(await store.removed({ from: 4, to: 4 }), expected.slice(0, 1));
  });

  test('never says another time later, whatever goes beside it for the same reason', async ({
    store,
    clock,
    reopen,
  }) => {
    await store.append(buildEvents(10));
    const expected: RemovedRange[] = [];
    for (const [from, to] of [
      [1, 2],
      [3, 5],
      [6, 6],
    ] as const) {
      await store.remove([{ from, to }], 'too old');
      expected.push({ from, to, reason: 'too old', at: clock.now() });
      assert.deepEqual(await store.removed(), expected);
      await clock.advance(1_000);
    }
    assert.deepEqual(await (await reopen()).removed(), expected);
  });

  test('explains every hole by a recorded range, also after it was opened anew', async ({ store, reopen }) => {
    await store.append(buildEvents(30));
    for (const [from, to] of [
      [3, 5],
      [20, 30],
      [4, 8],
      [1, 1],
    ] as const)
      await store.remove([{ from, to }], 'contract');
    await assertNoUnexplainedHole(store);
    await assertNoUnexplainedHole(await reopen());
  });

  test('never uses a position again, whatever was removed', async ({ store, reopen }) => {
    await store.append(buildEvents(5));
    await store.remove([{ from: 1, to: 5 }], 'everything');
    assert.deepEqual(await positionsOf(store), []);
    assert.equal((await store.append([buildEvent()])).position, 6);
    await store.remove([{ from: 6, to: 6 }], 'everything');
    const again = await reopen();
    assert.equal((await again.head()).position, 6);
    assert.equal((await again.append([buildEvent()])).position, 7);
    assert.deepEqual(await positionsOf(again), [7]);
  });

  test('never starts a revision again, whatever was removed', async ({ store, reopen }) => {
    await store.append(buildEvents(3, { entity }));
    await store.remove([{ from: 2, to: 3 }], 'the newest');
    assert.equal(await store.revision(entity), 3);
    assert.deepEqual((await store.append([buildEvent({ entity })])).revisions, [4]);
    await store.remove([{ from: 1, to: 4 }], 'everything');
    const again = await reopen();
    assert.equal(await again.revision(entity), 4);
    assert.deepEqual((await again.append([buildEvent({ entity })])).revisions, [5]);
  });

  test('keeps a revision where the newest event went first', async ({ store, reopen }) => {
    await store.append(buildEvents(3, { entity }));
    for (const at of [3, 2, 1]) {
      await store.remove([{ from: at, to: at }], 'one by one');
      assert.equal(await store.revision(entity), 3);
    }
    assert.equal(await (await reopen()).revision(entity), 3);
  });

  test('removes nothing twice', async ({ store, clock }) => {
    await store.append(buildEvents(10));
    await store.remove([{ from: 3, to: 5 }], 'first');
    const at = clock.now();
    assert.equal(await store.remove([{ from: 3, to: 5 }], 'second'), 0);
    assert.equal(
      await store.remove(
        [
          { from: 2, to: 4 },
          { from: 4, to: 6 },
        ],
        'third',
      ),
      2,
    );
    assert.deepEqual(await store.removed(), [
      { from: 2, to: 2, reason: 'third', at },
      { from: 3, to: 5, reason: 'first', at },
      { from: 6, to: 6, reason: 'third', at },
    ]);
  });

  test('removes nothing that is still to come', async ({ store }) => {
    await store.append(buildEvents(3));
    assert.equal(await store.remove([{ from: 3, to: 1_000 }], 'contract'), 1);
    assert.equal(await store.remove([{ from: 500, to: 1_000 }], 'contract'), 0);
    assert.equal((await store.append([buildEvent()])).position, 4);
    assert.deepEqual(await positionsOf(store), [1, 2, 4]);
    assert.deepEqual(
      (await store.removed()).map(({ from, to }) => [from, to]),
      [[3, 3]],
    );
  });

  test('pages over holes of any size', async ({ store }) => {
    await store.append(buildEvents(2_000));
    await store.remove([{ from: 2, to: 1_998 }], 'contract');
    for (const limit of [1, 2, 100]) {
      assert.deepEqual(await positionsOf(store, { limit }), [1, 1_999, 2_000]);
      assert.deepEqual(await positionsOf(store, { limit, descending: true }), [2_000, 1_999, 1]);
    }
  });

  test('refuses ranges that make no sense', async ({ store }) => {
    await store.append([buildEvent()]);
    await rejects(store.remove([{ from: 0, to: 1 }], 'contract'), 'INVALID_OPTION');
    await rejects(store.remove([{ from: 2, to: 1 }], 'contract'), 'INVALID_OPTION');
    await rejects(store.remove([{ from: 1, to: NaN }], 'contract'), 'INVALID_OPTION');
    await rejects(store.remove([{ from: 1, to: 1 }], ''), 'INVALID_OPTION');
    assert.equal(await store.remove([], 'contract'), 0);
    assert.deepEqual(await positionsOf(store), [1]);
  });

  test('rewrites payload and metadata in place', async ({ store, nowAndReopened }) => {
    await store.append(buildEvents(3, { entity, payload: { name: 'Ada' } }));
    const [, event] = await readAll(store);
    await store.rewrite([{ ...event!, payload: { name: 'x' }, metadata: { erased: true } }]);
    await nowAndReopened(async (opened) => {
      const [first, second, third] = await readAll(opened);
      const { $content, ...metadata } = second!.metadata;
      assert.deepEqual({ ...second, metadata }, { ...event, payload: { name: 'x' }, metadata: { erased: true } });
      assert.equal(typeof $content, 'string');
      assert.deepEqual([first!.payload, third!.payload], [{ name: 'Ada' }, { name: 'Ada' }]);
      assert.deepEqual(await positionsOf(opened, { entity }), upTo(3));
    });
  });

  test('takes a retry of an event that was rewritten for a duplicate', async ({ store, reopen }) => {
    const event = buildEvent({ payload: { name: 'Ada' } });
    const first = await store.append([event]);
    for (const name of ['x', 'y']) await store.rewrite([{ ...(await readAll(store))[0]!, payload: { name } }]);
    const again = await reopen();
    assert.deepEqual(await again.append([event]), { ...first, duplicate: true });
    await rejects(again.append([{ ...event, payload: { name: 'y' } }]), 'EVENT_CONFLICT');
  });

  test('rewrites nothing that is not there', async ({ store }) => {
    await store.append(buildEvents(2));
    const [first, second] = await readAll(store);
    await rejects(store.rewrite([{ ...first!, position: 9 }]), 'EVENT_CONFLICT');
    await rejects(
      store.rewrite([
        { ...first!, payload: 'other' },
        { ...second!, id: 'another' },
      ]),
      'EVENT_CONFLICT',
    );
    await store.remove([{ from: 2, to: 2 }], 'contract');
    await rejects(store.rewrite([second!]), 'EVENT_CONFLICT');
    assert.deepEqual(await readAll(store), [first]);
  });
};

async function assertNoUnexplainedHole(store: Store): Promise<void> {
  const positions = new Set(await positionsOf(store));
  const removals = await store.removed();
  const { position: head } = await store.head();
  for (const position of upTo(head)) {
    const gone = removals.filter((removal: RemovedRange) => removal.from <= position && position <= removal.to);
    assert.equal(gone.length + (positions.has(position) ? 1 : 0), 1, `position ${position}`);
  }
}
