import assert from 'node:assert/strict';
import type { TelltaleEvent } from '../../lib/plugin.ts';
import { buildEvent, buildEvents } from './build-event.ts';
import { enqueue, idsOf, positionsOf, rejects } from './harness.ts';
import type { Chapter } from './harness.ts';

const OTHER_CONTENT: readonly Partial<TelltaleEvent>[] = [
  { payload: { n: 2 } },
  { type: 'task.deleted' },
  { source: 'somebody else' },
  { entity: 'task/b' },
  { schemaVersion: 2 },
  { metadata: { userId: 'u-2' } },
];

export const idempotency: Chapter = (test) => {
  test('answers the first receipt again for the same id and content', async ({ store, clock }) => {
    const event = buildEvent({ entity: 'task/a' });
    const first = await store.append([event]);
    await store.append([buildEvent({ entity: 'task/a' })]);
    await clock.advance(60_000);
    assert.deepEqual(await store.append([event]), { ...first, duplicate: true });
    assert.deepEqual(await positionsOf(store), [1, 2]);
    assert.equal(first.duplicate, false);
  });

  test('takes time, correlation, cause and the order of keys for no part of the content', async ({ store }) => {
    const event = buildEvent({ payload: { a: 1, b: 2 }, metadata: { userId: 'u', batchId: 'one' } });
    await store.append([event]);
    const again = {
      ...event,
      time: event.time + 1,
      correlationId: 'another',
      causationId: 'another',
      payload: { b: 2, a: 1 },
      metadata: { batchId: 'two', userId: 'u', $by: 'the bus' },
    };
    assert.equal((await store.append([again])).duplicate, true);
  });

  test('refuses the same id with other content', async ({ store }) => {
    const event = buildEvent({ entity: 'task/a', payload: { n: 1 } });
    await store.append([event]);
    for (const other of OTHER_CONTENT) {
      const error = await rejects(store.append([{ ...event, ...other }]), 'EVENT_CONFLICT');
      assert.equal(error.details['id'], event.id);
    }
    assert.deepEqual(await idsOf(store), [event.id]);
  });

  test('checks the id before the expectation', async ({ store }) => {
    const event = buildEvent({ entity: 'task/a' });
    await store.append([event], { expect: 'none' });
    assert.equal((await store.append([event], { expect: 'none' })).duplicate, true);
    const query = { type: event.type };
    assert.equal((await store.append([event], { expect: { query, after: 0 } })).duplicate, true);
    await rejects(store.append([{ ...event, payload: 'other' }], { expect: 'none' }), 'EVENT_CONFLICT');
  });

  test('answers a batch that is sent again with its first receipt', async ({ store }) => {
    const batch = buildEvents(3, { entity: 'task/a' });
    await store.append([buildEvent()]);
    const first = await store.append(batch);
    await store.append([buildEvent()]);
    assert.deepEqual(await store.append(batch), { ...first, duplicate: true });
    assert.equal((await store.head()).position, 5);
  });

  test('takes two batches stored back to back and sent as one for a duplicate', async ({ store }) => {
    const [one, two] = [buildEvents(2), buildEvents(2)];
    await store.append(one);
    await store.append(two);
    const receipt = await store.append([...one, ...two]);
    assert.deepEqual([receipt.duplicate, receipt.position, receipt.revisions.length], [true, 1, 4]);
  });

  test('refuses a batch of which only some ids are known', async ({ store }) => {
    const [known, fresh] = [buildEvent(), buildEvent()];
    await store.append([known]);
    await rejects(store.append([known, fresh]), 'EVENT_CONFLICT');
    await rejects(store.append([fresh, known]), 'EVENT_CONFLICT');
    assert.deepEqual(await idsOf(store), [known.id]);
  });

  test('refuses a batch that is stored in another order or with others between', async ({ store }) => {
    const [a, b, c] = [buildEvent(), buildEvent(), buildEvent()] as const;
    await store.append([a, b, c]);
    await rejects(store.append([b, a]), 'EVENT_CONFLICT');
    await rejects(store.append([a, c]), 'EVENT_CONFLICT');
    assert.equal((await store.append([a, b])).duplicate, true);
  });

  test('refuses a batch that holds one id twice', async ({ store }) => {
    const event = buildEvent();
    await rejects(store.append([event, event]), 'EVENT_CONFLICT');
    await rejects(enqueue(store, [event, event], { fresh: true }), 'EVENT_CONFLICT');
    await store.append([event]);
    await rejects(store.append([event, event]), 'EVENT_CONFLICT');
    assert.deepEqual(await idsOf(store), [event.id]);
  });

  test('finds a duplicate within one group commit', async ({ store }) => {
    const event = buildEvent({ entity: 'task/a' });
    const [first, again, behind] = await Promise.all([
      enqueue(store, [event], { fresh: true }),
      enqueue(store, [event]),
      enqueue(store, [buildEvent()], { fresh: true }),
    ]);
    assert.deepEqual(again, { ...first, duplicate: true });
    assert.equal(behind.position, 2);
  });

  test('refuses other content under one id within one group commit', async ({ store }) => {
    const event = buildEvent();
    const first = enqueue(store, [event], { fresh: true });
    await rejects(enqueue(store, [{ ...event, payload: 'other' }]), 'EVENT_CONFLICT');
    assert.equal((await first).position, 1);
    assert.deepEqual(await idsOf(store), [event.id]);
  });

  test('remembers ids after removal', async ({ store }) => {
    const event = buildEvent({ entity: 'task/a' });
    const first = await store.append([event]);
    const before = await store.find([event.id]);
    await store.remove([{ from: 1, to: 1 }], 'contract');
    assert.deepEqual(await store.append([event]), { ...first, duplicate: true });
    await rejects(store.append([{ ...event, payload: 'other' }]), 'EVENT_CONFLICT');
    assert.deepEqual(await store.find([event.id]), before);
    assert.deepEqual(await idsOf(store), []);
  });

  test('remembers ids after it was opened anew', async ({ store, reopen }) => {
    const [event, batch] = [buildEvent({ entity: 'task/a' }), buildEvents(2)];
    const first = await store.append([event]);
    const second = await store.append(batch);
    const again = await reopen();
    assert.deepEqual(await again.append([event]), { ...first, duplicate: true });
    assert.deepEqual(await again.append(batch), { ...second, duplicate: true });
    await rejects(again.append([{ ...event, payload: 'other' }]), 'EVENT_CONFLICT');
    assert.equal((await again.head()).position, 3);
  });

  test('remembers ids after removal and after it was opened anew', async ({ store, reopen }) => {
    const event = buildEvent({ entity: 'task/a' });
    const first = await store.append([event]);
    await store.remove([{ from: 1, to: 1 }], 'contract');
    const again = await reopen();
    assert.deepEqual(await again.append([event]), { ...first, duplicate: true });
    await rejects(again.append([{ ...event, payload: 'other' }]), 'EVENT_CONFLICT');
  });

  test('finds ids with their place, and only those it has', async ({ store, clock }) => {
    const events = buildEvents(2, { entity: 'task/a' });
    await store.append(events);
    const found = await store.find([events[1]!.id, 'never stored']);
    assert.deepEqual([...found.keys()], [events[1]!.id]);
    const { position, revision, storedAt } = found.get(events[1]!.id)!;
    assert.deepEqual([position, revision, storedAt], [2, 2, clock.now()]);
  });
};
