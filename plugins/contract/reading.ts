import assert from 'node:assert/strict';
import type { Filter, PageHints, Store, TelltaleEvent } from '../../lib/plugin.ts';
import { buildEvent, buildEvents } from './build-event.ts';
import { idsOf, positionsOf, readAll, rejects, upTo } from './harness.ts';
import type { Chapter } from './harness.ts';

const page = { after: 0, through: Infinity, descending: false, limit: 100 };

export const reading: Chapter = (test) => {
  test('reads an empty log', async ({ store }) => {
    assert.deepEqual(await positionsOf(store), []);
    assert.deepEqual((await store.page(page)).events, []);
    assert.equal((await store.page(page)).done, true);
    assert.deepEqual(await store.head(), { position: 0, storedAt: 0 });
  });

  test('reads in position order, and backwards', async ({ store }) => {
    await appendMany(store, 25);
    assert.deepEqual(await positionsOf(store), upTo(25));
    assert.deepEqual(await positionsOf(store, { descending: true }), upTo(25).toReversed());
    assert.deepEqual(await positionsOf(store, { descending: true, limit: 7 }), upTo(25).toReversed());
  });

  test('reads behind one position up to another', async ({ store }) => {
    await appendMany(store, 20);
    for (const descending of [false, true]) {
      const positions = await positionsOf(store, { after: 5, through: 9, descending });
      assert.deepEqual(
        positions.toSorted((a, b) => a - b),
        [6, 7, 8, 9],
      );
    }
    assert.deepEqual(await positionsOf(store, { after: 20 }), []);
    assert.deepEqual(await positionsOf(store, { after: 18, through: 500 }), [19, 20]);
    assert.deepEqual(await positionsOf(store, { after: 9, through: 3 }), []);
  });

  test('answers pages that meet without gap or overlap', async ({ store }) => {
    await appendMany(store, 23);
    for (const limit of [1, 5, 23, 24]) {
      const positions: number[] = [];
      for (let after = 0, done = false; !done;) {
        const answer = await store.page({ ...page, after, limit });
        assert.ok(answer.events.length <= limit);
        positions.push(...answer.events.map((event) => event.position));
        ({ looked: after, done } = answer);
      }
      assert.deepEqual(positions, upTo(23));
    }
  });

  test('answers pages backwards that meet without gap or overlap', async ({ store }) => {
    await appendMany(store, 23);
    const positions: number[] = [];
    for (let through = Infinity, done = false; !done;) {
      const answer = await store.page({ ...page, through, limit: 5, descending: true });
      positions.push(...answer.events.map((event) => event.position));
      through = answer.looked - 1;
      done = answer.done;
    }
    assert.deepEqual(positions, upTo(23).toReversed());
  });

  test('narrows by id, type, entity, correlation, cause and time', async ({ store }) => {
    const events = await appendVaried(store);
    const cases: readonly [PageHints, (event: TelltaleEvent) => boolean][] = [
      [{ ids: [events[3]!.id, events[11]!.id, 'unknown'] }, ({ id }) => id === events[3]!.id || id === events[11]!.id],
      [{ types: ['task.t1'] }, ({ type }) => type === 'task.t1'],
      [{ types: ['task.t1', 'task.t2', 'task.t1'] }, ({ type }) => type === 'task.t1' || type === 'task.t2'],
      [{ types: [] }, () => false],
      [{ entity: 'task/e1' }, ({ entity }) => entity === 'task/e1'],
      [{ entity: 'task/never' }, () => false],
      [{ entityKind: 'task' }, ({ entity }) => entity !== undefined],
      [{ entityKind: 'tas' }, () => false],
      [{ equals: [{ path: 'metadata.userId', values: ['u1', 'u2'] }] }, ({ metadata }) => metadata.userId === 'u1'],
      [{ correlationId: 'c2' }, ({ correlationId }) => correlationId === 'c2'],
      [{ causationId: 'cause-1' }, ({ causationId }) => causationId === 'cause-1'],
      [{ time: { from: 1_010 } }, ({ time }) => time >= 1_010],
      [{ time: { to: 1_005 } }, ({ time }) => time <= 1_005],
      [{ time: { from: 1_003.5, to: 1_020 } }, ({ time }) => time >= 1_003.5 && time <= 1_020],
      [{ types: ['task.t1'], entity: 'task/e2' }, ({ type, entity }) => type === 'task.t1' && entity === 'task/e2'],
    ];
    for (const [hints, matches] of cases) await assertReads(store, hints, events.filter(matches));
  });

  test('applies the rest of a filter itself', async ({ store }) => {
    const events = await appendVaried(store);
    const cases: readonly [Filter, (n: number, event: TelltaleEvent) => boolean][] = [
      [{ 'payload.n': 7 }, (n) => n === 7],
      [{ 'payload.n': { $gte: 10, $lt: 20 } }, (n) => n >= 10 && n < 20],
      [{ type: 'task.*', 'metadata.userId': 'u1' }, (_, event) => event.metadata.userId === 'u1'],
      [{ entity: 'task/*' }, (_, event) => event.entity !== undefined],
      [{ $or: [{ 'payload.n': 1 }, { correlationId: 'c2' }] }, (n, event) => n === 1 || event.correlationId === 'c2'],
      [{ 'payload.nothing': 1 }, () => false],
    ];
    for (const [where, matches] of cases) {
      const wanted = events.filter((event) => matches((event.payload as { n: number }).n, event));
      await assertReads(store, { where }, wanted);
      await assertReads(
        store,
        { where, types: ['task.t1'] },
        wanted.filter(({ type }) => type === 'task.t1'),
      );
    }
  });

  test('pages through a filter that few events satisfy', async ({ store }) => {
    const events = Array.from({ length: 3_000 }, (_, n) => buildEvent({ payload: { n } }));
    await store.append(events);
    const where = { 'payload.n': { $in: [0, 1_234, 2_998, 2_999] } };
    for (const limit of [1, 2, 3, 100]) {
      assert.deepEqual(await positionsOf(store, { where, limit }), [1, 1_235, 2_999, 3_000]);
      assert.deepEqual(await positionsOf(store, { where, limit, descending: true }), [3_000, 2_999, 1_235, 1]);
    }
  });

  test('ends at the head it had when it was called', async ({ store }) => {
    await appendMany(store, 5);
    const positions: number[] = [];
    for await (const { position } of store.read({ limit: 2 })) {
      positions.push(position);
      await store.append([buildEvent()]);
    }
    assert.deepEqual(positions, upTo(5));
    assert.equal((await store.head()).position, 10);
  });

  test('lets no reader change history', async ({ store }) => {
    await store.append([buildEvent({ payload: { list: [1] }, metadata: { tags: ['a'] } })]);
    const [event] = await readAll(store);
    const before = structuredClone(event);
    const attempts: readonly (() => unknown)[] = [
      () => Object.assign(event!, { type: 'other' }),
      () => (event!.payload as { list: number[] }).list.push(2),
      () => (event!.metadata.tags as string[]).push('b'),
    ];
    for (const attempt of attempts) {
      try {
        attempt();
      } catch (error) {
        assert.ok(error instanceof TypeError, 'a frozen record may refuse');
      }
    }
    assert.deepEqual((await readAll(store))[0], before);
  });

  test('reads with many readers while it is written', async ({ store }) => {
    const readers = upTo(4).map(async () => {
      let last = 0;
      while (last < 200) {
        for await (const { position } of store.read({ after: last, limit: 7 })) assert.equal(position, ++last);
        await new Promise((resolve) => setImmediate(resolve));
      }
    });
    for (let i = 0; i < 50; i++) await store.append(buildEvents(4));
    await Promise.all(readers);
  });

  test('refuses a query that makes no sense', async ({ store }) => {
    await store.append([buildEvent()]);
    await rejects(store.page({ ...page, after: -1 }), 'INVALID_QUERY');
    await rejects(store.page({ ...page, after: 0.5 }), 'INVALID_QUERY');
    await rejects(store.page({ ...page, limit: 0 }), 'INVALID_QUERY');
    await rejects(store.page({ ...page, limit: 1e9 }), 'INVALID_QUERY');
    await rejects(store.page({ ...page, through: NaN }), 'INVALID_QUERY');
    await rejects(store.page({ ...page, where: { 'payload.n': { $near: 1 } } }), 'INVALID_FILTER');
    await rejects(store.page({ ...page, where: { 'payload.__proto__.x': 1 } }), 'INVALID_PATH');
    await rejects(idsOf(store, { limit: 0 }), 'INVALID_QUERY');
  });
};

/** Every way to read must agree: forwards, backwards, and in pages smaller than the answer. */
async function assertReads(store: Store, hints: PageHints, events: readonly TelltaleEvent[]): Promise<void> {
  const ids = events.map((event) => event.id);
  const shown = JSON.stringify(hints);
  assert.deepEqual(await idsOf(store, hints), ids, shown);
  assert.deepEqual(await idsOf(store, { ...hints, limit: 2 }), ids, `${shown} in pages of 2`);
  assert.deepEqual(
    await idsOf(store, { ...hints, descending: true, limit: 3 }),
    ids.toReversed(),
    `${shown} backwards`,
  );
}

async function appendMany(store: Store, count: number): Promise<void> {
  const appended = buildEvents(count).map((event) => store.append([event]));
  await Promise.all(appended);
}

async function appendVaried(store: Store): Promise<readonly TelltaleEvent[]> {
  const events = Array.from({ length: 40 }, (_, n) =>
    buildEvent({
      type: `task.t${n % 4}`,
      // Times neither rise nor fall with the positions.
      time: 1_000 + ((n * 7) % 40),
      entity: n % 3 === 0 ? undefined : `task/e${n % 3}`,
      correlationId: `c${n % 5}`,
      causationId: n % 2 === 0 ? undefined : `cause-${n % 4}`,
      payload: { n },
      metadata: n % 6 === 0 ? { userId: 'u1' } : {},
    }),
  );
  await store.append(events);
  return events;
}
