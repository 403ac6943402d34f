import assert from 'node:assert/strict';
import type { AppendReceipt, TelltaleEvent } from '../../lib/plugin.ts';
import { buildEvent, buildEvents } from './build-event.ts';
import { enqueue, idsOf, positionsOf, readAll, rejects, upTo } from './harness.ts';
import type { Chapter } from './harness.ts';

export const appending: Chapter = (test) => {
  test('gives consecutive positions from 1', async ({ store }) => {
    const positions: number[] = [];
    for (const event of buildEvents(5)) positions.push((await store.append([event])).position);
    assert.deepEqual(positions, upTo(5));
    assert.deepEqual(await positionsOf(store), upTo(5));
    assert.equal((await store.head()).position, 5);
  });

  test('stores a batch at consecutive positions and answers the first', async ({ store }) => {
    await store.append([buildEvent()]);
    const batch = buildEvents(3);
    assert.equal((await store.append(batch)).position, 2);
    assert.deepEqual(await idsOf(store, { after: 1 }), batch.map(idOf));
  });

  test('counts revisions within each entity and gives 0 without one', async ({ store }) => {
    const [a, b] = ['task/a', 'task/b'];
    const first = await store.append([a, b, a, undefined].map((entity) => buildEvent({ entity })));
    assert.deepEqual(first.revisions, [1, 1, 2, 0]);
    const second = await store.append([buildEvent({ entity: b })]);
    assert.deepEqual(second.revisions, [2]);
    assert.deepEqual(
      (await readAll(store)).map((event) => event.revision),
      [1, 1, 2, 0, 2],
    );
    assert.equal(await store.revision(a), 2);
    assert.equal(await store.revision('task/never'), 0);
  });

  test('names its durability in every receipt', async ({ store }) => {
    const event = buildEvent();
    assert.equal((await store.append([event])).durability, store.supports.durability);
    assert.equal((await store.append([event])).durability, store.supports.durability);
    assert.equal(store.health().durability, store.supports.durability);
  });

  test('takes storedAt from its clock and never lets it fall', async ({ store, clock }) => {
    const start = clock.now();
    const receipts: AppendReceipt[] = [];
    // `advance` goes backwards as well: this is a wall clock that was set back.
    for (const step of [0, 1_000, -5_000, 1_000, 10_000]) {
      await clock.advance(step);
      receipts.push(await store.append([buildEvent()]));
    }
    const expected = [0, 1_000, 1_000, 1_000, 7_000].map((ms) => start + ms);
    assert.deepEqual(
      receipts.map((receipt) => receipt.storedAt),
      expected,
    );
    assert.deepEqual(
      (await readAll(store)).map((event) => event.storedAt),
      expected,
    );
    assert.equal((await store.head()).storedAt, start + 7_000);
  });

  test('reads every field back as it was given', async ({ store, clock }) => {
    const event: TelltaleEvent = {
      id: 'all-fields',
      type: 'order.line_item-1.Added',
      source: 'shop/till 1',
      time: 1_767_225_600_123.456,
      entity: 'order/550e8400/line/7',
      correlationId: 'the-first',
      causationId: 'the-one-before',
      schemaVersion: 7,
      payload: { b: 1, a: [true, null, 'x', { deep: [] }], empty: {} },
      metadata: { tags: ['a', 'b'], userId: 'u-1', $origin: 'contract', nested: { z: 1, a: 2 } },
    };
    const least = buildEvent({ payload: null });
    await store.append([event, least]);
    const [stored, storedLeast] = await readAll(store);
    const storedAt = clock.now();
    assert.deepEqual(stored, { ...event, position: 1, revision: 1, storedAt });
    assert.deepEqual(storedLeast, { ...least, position: 2, revision: 0, storedAt });
    assert.equal(JSON.stringify(stored.payload), JSON.stringify(event.payload));
  });

  test('keeps a snapshot of what was appended', async ({ store }) => {
    const payload = { messages: ['first'] };
    const appended = store.append([buildEvent({ payload })]);
    payload.messages.push('second');
    await appended;
    payload.messages.push('third');
    assert.deepEqual((await readAll(store))[0]!.payload, { messages: ['first'] });
  });

  test('commits and answers what one turn enqueues in its order', async ({ store }) => {
    const events = buildEvents(2_500, { entity: 'task/busy' });
    const answered: string[] = [];
    await Promise.all(
      events.map(async (event) => {
        await enqueue(store, [event], { fresh: true });
        answered.push(event.id);
      }),
    );
    assert.deepEqual(answered, events.map(idOf));
    assert.deepEqual(await idsOf(store), events.map(idOf));
    assert.deepEqual(await positionsOf(store), upTo(2_500));
    assert.equal(await store.revision('task/busy'), 2_500);
  });

  test('answers every append exactly once', async ({ store }) => {
    const known = buildEvent();
    await store.append([known]);
    const answers = new Map<number, number>();
    const appends = [[known], [buildEvent()], [{ ...known, payload: 'other' }], buildEvents(2)];
    appends.forEach((events, i) => {
      const answer = (): void => void answers.set(i, (answers.get(i) ?? 0) + 1);
      store.enqueue({ events, bytes: 1, fresh: false, admitted: true, acknowledged: answer, failed: answer });
    });
    await store.append([buildEvent()]);
    assert.deepEqual([...answers.values()], [1, 1, 1, 1]);
  });

  test('stores a batch larger than a group commit', async ({ store }) => {
    const batch = buildEvents(3_000);
    const before = store.append([buildEvent()]);
    const receipt = await store.append(batch);
    const behind = await store.append([buildEvent()]);
    assert.deepEqual([(await before).position, receipt.position, behind.position], [1, 2, 3_002]);
  });

  test('stores nothing of a batch that is refused', async ({ store }) => {
    const known = buildEvent({ entity: 'task/a' });
    await store.append([known]);
    const mixed = [buildEvent(), buildEvent({ entity: 'task/a' }), known];
    await rejects(store.append(mixed), 'EVENT_CONFLICT');
    await rejects(store.append([buildEvent(), { ...known, payload: 'other' }]), 'EVENT_CONFLICT');
    await rejects(store.append([buildEvent({ entity: 'task/a' }), buildEvent()], { expect: 7 }), 'EXPECTATION_FAILED');
    await rejects(store.append([buildEvent(), buildEvent({ payload: { bad: NaN } })]), 'PAYLOAD_BAD_NUMBER');
    assert.deepEqual(await idsOf(store), [known.id]);
  });

  test('uses up no position and no revision for what is refused', async ({ store }) => {
    const known = buildEvent({ entity: 'task/a' });
    await store.append([known]);
    await rejects(store.append([{ ...known, payload: 'other' }]), 'EVENT_CONFLICT');
    await rejects(store.append([buildEvent({ entity: 'task/a' })], { expect: 'none' }), 'EXPECTATION_FAILED');
    const receipt = await store.append([buildEvent({ entity: 'task/a' })]);
    assert.deepEqual([receipt.position, receipt.revisions], [2, [2]]);
  });

  test('fails a refused append alone inside a group commit', async ({ store }) => {
    const known = buildEvent();
    await store.append([known]);
    const answers = await Promise.allSettled([
      enqueue(store, [buildEvent()], { fresh: true }),
      enqueue(store, [{ ...known, payload: 'other' }]),
      enqueue(store, [buildEvent()], { expect: { query: { type: 'task.created' }, after: 0 } }),
      enqueue(store, [buildEvent({ payload: new Map() })], { admitted: false }),
      enqueue(store, buildEvents(2), { fresh: true }),
    ]);
    const shown = answers.map((answer) => (answer.status === 'fulfilled' ? answer.value.position : codeOf(answer)));
    assert.deepEqual(shown, [2, 'EVENT_CONFLICT', 'EXPECTATION_FAILED', 'PAYLOAD_NOT_PLAIN', 3]);
    assert.deepEqual(await positionsOf(store), upTo(4));
  });

  test('lets an append see the revisions of those before it in one group commit', async ({ store }) => {
    const entity = 'task/a';
    const answers = await Promise.allSettled([
      enqueue(store, [buildEvent({ entity })], { expect: 'none', fresh: true }),
      enqueue(store, [buildEvent({ entity })], { expect: 'none', fresh: true }),
      enqueue(store, [buildEvent({ entity })], { expect: 1, fresh: true }),
    ]);
    assert.deepEqual(
      answers.map((answer) => answer.status),
      ['fulfilled', 'rejected', 'fulfilled'],
    );
    assert.equal(await store.revision(entity), 2);
  });

  test('refuses an append without events', async ({ store }) => {
    await rejects(store.append([]), 'INVALID_OPTION');
    await rejects(enqueue(store, []), 'INVALID_OPTION');
  });

  test('refuses malformed envelopes, each with its code', async ({ store }) => {
    const cases = [
      ['INVALID_ID', { id: '' }],
      ['INVALID_ID', { id: 'x'.repeat(257) }],
      ['INVALID_ID', { correlationId: '\ud800' }],
      ['INVALID_TYPE', { type: 'no spaces' }],
      ['INVALID_TYPE', { type: 'a..b' }],
      ['INVALID_ENTITY', { entity: 'no-kind' }],
      ['INVALID_TIME', { time: NaN }],
      ['INVALID_OPTION', { source: '' }],
      ['INVALID_OPTION', { schemaVersion: 0 }],
    ] as const;
    for (const [code, overrides] of cases) await rejects(store.append([buildEvent(overrides)]), code);
    assert.equal((await store.head()).position, 0);
  });

  test('does not append what was aborted before', async ({ store }) => {
    const signal = AbortSignal.abort();
    await rejects(store.append([buildEvent()], { signal }), 'ABORTED');
    assert.equal((await store.head()).position, 0);
  });
};

function idOf(event: TelltaleEvent): string {
  return event.id;
}

function codeOf(answer: PromiseRejectedResult): unknown {
  return (answer.reason as { readonly code?: unknown }).code;
}
