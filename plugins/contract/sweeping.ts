import assert from 'node:assert/strict';
import type { Range, Store } from '../../lib/plugin.ts';
import { buildEvent, buildEvents } from './build-event.ts';
import { idsOf, positionsOf, readAll, upTo } from './harness.ts';
import type { Chapter } from './harness.ts';

const EVENTS = 400;

/** What is asked of a store from which much goes at once while it is in use. */
export const sweeping: Chapter = (test) => {
  test('tells how many events there are and what they take, and that it shrinks', async ({ store, nowAndReopened }) => {
    assert.equal((await store.size()).events, 0);
    await store.append(buildEvents(100, { payload: 'x'.repeat(1_000) }));
    const full = await store.size();
    assert.equal(full.events, 100);
    assert.ok(full.originalBytes >= 100_000 && full.originalBytes < 200_000, `${full.originalBytes} bytes of JSON`);
    assert.ok(full.storedBytes > 0);
    await store.remove([{ from: 11, to: 100 }], 'contract');
    await nowAndReopened(async (opened) => {
      const left = await opened.size();
      assert.equal(left.events, 10);
      assert.ok(left.originalBytes <= full.originalBytes / 5, `${left.originalBytes} of ${full.originalBytes} left`);
    });
  });

  test('tells its listeners of what was removed and what was rewritten', async ({ store }) => {
    await store.append(buildEvents(10));
    const told: (readonly Range[])[] = [];
    const undo = store.onRemove((ranges) => told.push(ranges));
    store.onRemove(() => {
      throw new Error('a listener that throws hurts nobody');
    })();
    await store.remove(
      [
        { from: 7, to: 99 },
        { from: 2, to: 3 },
      ],
      'contract',
    );
    assert.deepEqual(told.splice(0).flat(), [
      { from: 2, to: 3 },
      { from: 7, to: 10 },
    ]);
    await store.remove([{ from: 2, to: 3 }], 'contract');
    assert.deepEqual(told, []);
    const [event] = await readAll(store, { after: 4, through: 5 });
    await store.rewrite([{ ...event!, payload: 'other' }]);
    assert.deepEqual(told.splice(0).flat(), [{ from: 5, to: 5 }]);
    undo();
    await store.remove([{ from: 1, to: 1 }], 'contract');
    assert.deepEqual(told, []);
  });

  test('knows the id of a removed event and gives no event for it', async ({ store, nowAndReopened }) => {
    const events = buildEvents(40, { entity: 'task/a' });
    await store.append(events);
    await store.remove([{ from: 1, to: 39 }], 'contract');
    const ids = events.map(({ id }) => id);
    await nowAndReopened(async (opened) => {
      const known = await opened.find(ids);
      assert.deepEqual(
        ids.map((id) => known.get(id)?.position),
        upTo(40),
      );
      assert.deepEqual(await positionsOf(opened, { ids }), [40]);
      assert.deepEqual(await positionsOf(opened, { where: { id: { $in: ids } } }), [40]);
    });
  });

  test('goes on rightly when all of it was removed', async ({ store, reopen }) => {
    const events = buildEvents(40, { entity: 'task/a' });
    await store.append(events);
    assert.equal(await store.remove([{ from: 1, to: Infinity }], 'contract'), 40);
    const again = await reopen();
    assert.deepEqual(await readAll(again), []);
    const receipt = await again.append([buildEvent({ entity: 'task/a' })]);
    assert.deepEqual([receipt.position, receipt.revisions], [41, [41]]);
    assert.equal((await again.append([events[7]!])).duplicate, true);
    assert.deepEqual(await positionsOf(again), [41]);
  });

  for (const [way, query] of [
    ['forwards', {}],
    ['through an index', { correlationId: 'c' }],
    ['backwards', { descending: true }],
  ] as const) {
    test(`gives readers each event that stays, once and in order, while others go: ${way}`, async ({ store }) => {
      await store.append(buildEvents(EVENTS, { correlationId: 'c' }));
      const stays = upTo(EVENTS).filter((position) => position % 4 === 0);
      const told: number[] = [];
      let removing: Promise<unknown> | undefined;
      for await (const { position } of store.read({ ...query, limit: 7 })) {
        told.push(position);
        removing ??= store.remove(allButFourths(), 'contract');
      }
      await removing;
      assertStays(way === 'backwards' ? told.toReversed() : told, stays);
      assert.deepEqual(await positionsOf(store), stays);
    });
  }

  test('takes appends while it removes, at the next positions', async ({ store }) => {
    await store.append(buildEvents(EVENTS));
    const removing = store.remove([{ from: 1, to: EVENTS }], 'contract');
    const receipts: number[] = [];
    for (let n = 0; n < 20; n++) {
      receipts.push((await store.append([buildEvent()])).position);
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.equal(await removing, EVENTS);
    assert.deepEqual(receipts, upTo(EVENTS + receipts.length).slice(EVENTS));
    assert.deepEqual(await positionsOf(store), receipts);
  });

  test('finds by kinds of entities and by values at paths, and nothing else', async ({ store, nowAndReopened }) => {
    const events = Array.from({ length: 40 }, (_, n) =>
      buildEvent({
        entity: n % 4 === 0 ? undefined : `${n % 4 === 1 ? 'task' : 'tasks'}/${n}`,
        payload: n % 5 === 0 ? {} : { v: [1, '1', true, null][n % 4] },
        metadata: { conversationId: n % 2 === 0 ? 'a' : 'b' },
      }),
    );
    await store.append(events);
    const idsWith = (matches: (n: number) => boolean): string[] =>
      events.filter((_, n) => matches(n)).map(({ id }) => id);
    await nowAndReopened(async (opened) => {
      const ask = (where: NonNullable<Parameters<Store['read']>[0]>['where']): Promise<string[]> =>
        idsOf(opened, { where: where!, limit: 3 });
      assert.deepEqual(
        await ask({ entity: 'task/*' }),
        idsWith((n) => n % 4 === 1),
      );
      assert.deepEqual(await ask({ entity: 'nobody/*' }), []);
      assert.deepEqual(
        await ask({ 'payload.v': 1 }),
        idsWith((n) => n % 5 !== 0 && n % 4 === 0),
      );
      assert.deepEqual(
        await ask({ 'payload.v': '1' }),
        idsWith((n) => n % 5 !== 0 && n % 4 === 1),
      );
      assert.deepEqual(
        await ask({ 'payload.v': { $in: [true, '1'] } }),
        idsWith((n) => n % 5 !== 0 && [1, 2].includes(n % 4)),
      );
      assert.deepEqual(
        await ask({ 'payload.v': null }),
        idsWith((n) => n % 5 !== 0 && n % 4 === 3),
      );
      assert.deepEqual(
        await ask({ 'metadata.conversationId': 'b', entity: 'tasks/*' }),
        idsWith((n) => n % 4 === 3),
      );
    });
  });
};

/** All but every fourth position. */
function allButFourths(): Range[] {
  return upTo(EVENTS / 4).map((n) => ({ from: n * 4 - 3, to: n * 4 - 1 }));
}

function assertStays(told: readonly number[], stays: readonly number[]): void {
  assert.deepEqual(
    told,
    [...new Set(told)].toSorted((a, b) => a - b),
    'in order, none twice',
  );
  assert.deepEqual(
    stays.filter((position) => !told.includes(position)),
    [],
    'each that stays',
  );
}
