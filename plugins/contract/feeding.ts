import assert from 'node:assert/strict';
import type { Store, StoredEvent } from '../../lib/plugin.ts';
import { buildEvent, buildEvents } from './build-event.ts';
import { enqueue, positionsOf, rejects, upTo } from './harness.ts';
import type { Chapter } from './harness.ts';

export const feeding: Chapter = (test) => {
  test('feeds every commit in position order, each event once', async ({ store }) => {
    const fed = listen(store);
    const appends = buildEvents(50).map((event, i) => enqueue(store, [event], { fresh: i % 2 === 0 }));
    await Promise.all(appends);
    await store.append(buildEvents(10));
    await settle();
    assert.deepEqual(fed.map(positionOf), upTo(60));
  });

  test('feeds what readers see', async ({ store }) => {
    const fed = listen(store);
    await store.append([buildEvent({ entity: 'task/a', causationId: 'x', payload: { a: [1] } }), buildEvent()]);
    await settle();
    const read: StoredEvent[] = [];
    for await (const event of store.read()) read.push(event);
    assert.deepEqual(fed, read);
  });

  test('feeds nothing that is refused or a duplicate', async ({ store }) => {
    const known = buildEvent();
    await store.append([known]);
    const fed = listen(store);
    await store.append([known]);
    await rejects(store.append([{ ...known, payload: 'other' }]), 'EVENT_CONFLICT');
    await store.append([buildEvent()]);
    await settle();
    assert.deepEqual(fed.map(positionOf), [2]);
  });

  test('feeds events only when they can be read', async ({ store }) => {
    const checks: Promise<unknown>[] = [];
    store.onCommit((events) => checks.push(assertReadable(store, events).catch((error: unknown) => error)));
    for (let i = 0; i < 5; i++) await Promise.all(buildEvents(3).map((event) => store.append([event])));
    await settle();
    assert.ok(checks.length > 0);
    for (const check of checks) assert.ifError(await check);
  });

  test('feeds a listener from when it came until it went', async ({ store }) => {
    await store.append([buildEvent()]);
    const fed: number[] = [];
    const stop = store.onCommit((events) => fed.push(...events.map(positionOf)));
    await store.append(buildEvents(2));
    await settle();
    stop();
    stop();
    await store.append([buildEvent()]);
    await settle();
    assert.deepEqual(fed, [2, 3]);
  });

  test('feeds many listeners alike', async ({ store }) => {
    const feeds = upTo(5).map(() => listen(store));
    await store.append(buildEvents(3));
    await settle();
    for (const fed of feeds) assert.deepEqual(fed.map(positionOf), upTo(3));
  });

  test('leaves no gap between a page and the feed', async ({ store }) => {
    const writing = Promise.all(buildEvents(200).map((event) => store.append([event])));
    const seen = new Set<number>();
    store.onCommit((events) => events.forEach((event) => seen.add(event.position)));
    for (const position of await positionsOf(store)) seen.add(position);
    await writing;
    await settle();
    assert.deepEqual(
      [...seen].toSorted((a, b) => a - b),
      upTo(200),
    );
  });

  test('feeds on after it was opened anew', async ({ store, reopen }) => {
    await store.append(buildEvents(2));
    const again = await reopen();
    const fed = listen(again);
    await again.append([buildEvent()]);
    await settle();
    assert.deepEqual(fed.map(positionOf), [3]);
  });
};

function listen(store: Store): StoredEvent[] {
  const fed: StoredEvent[] = [];
  store.onCommit((events) => fed.push(...events));
  return fed;
}

async function assertReadable(store: Store, events: readonly StoredEvent[]): Promise<void> {
  const after = events[0]!.position - 1;
  const through = events[events.length - 1]!.position;
  const head = await store.head();
  assert.ok(head.position >= through, `fed position ${through} before the head reached it (${head.position})`);
  const page = await store.page({ after, through, descending: false, limit: events.length });
  assert.deepEqual(page.events.map(positionOf), events.map(positionOf));
}

/** The feed may come a moment after the acknowledgement. */
async function settle(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
}

function positionOf(event: StoredEvent): number {
  return event.position;
}
