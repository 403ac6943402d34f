import assert from 'node:assert/strict';
import { contentHash } from '../../lib/plugin.ts';
import type { ImportSlice, Range, StoredEvent, TelltaleEvent, Tombstone } from '../../lib/plugin.ts';
import { buildEvent, buildEvents } from './build-event.ts';
import { positionsOf, readAll, rejects, upTo } from './harness.ts';
import type { Chapter, StoreTest, Test } from './harness.ts';

/** Later than anything the contract's clock says. */
const STORED_AT = Date.UTC(2026, 5, 1);
const REASON = 'elsewhere';
/** Removed one after another, and the ends of what is asked: within, at and over those of the ranges, and beside them. */
const LONG_GONE = [
  { from: 6, to: 15 },
  { from: 16, to: 17 },
  { from: 22, to: 29 },
] as const;
const FIRSTS = [1, 6, 9, 16, 18, 25] as const;
const LASTS = [5, 6, 12, 17, 20, 24, 30, Infinity] as const;

/** For stores that declare `import`. */
export const takingOver: Chapter = (all) => {
  const test: Test = (name, body) =>
    all(name, (given) => {
      if (!given.store.supports.operations.includes('import')) given.skipChapter('the store does not declare `import`');
      return body(given);
    });

  test('takes over events with their positions, revisions and times', async ({ store, nowAndReopened }) => {
    const events = stored(buildEvents(3, { entity: 'task/a', payload: { text: 'as it was', list: [1, null] } }), 1, 4);
    await store.takeOver(sliceOf(events));
    await nowAndReopened(async (now) => {
      assert.deepEqual(await readAll(now), events);
      assert.deepEqual(await now.head(), { position: 3, storedAt: STORED_AT });
      assert.equal(await now.revision('task/a'), 6);
    });
  });

  test('goes on behind what it took over', async ({ store, reopen }) => {
    const events = stored(buildEvents(3, { entity: 'task/a' }), 1, 4);
    await store.takeOver(sliceOf(events));
    const next = await (await reopen()).append(buildEvents(2, { entity: 'task/a' }));
    assert.deepEqual([next.position, next.revisions], [4, [7, 8]]);
  });

  test('takes over removals, and knows the ids and revisions of what was removed', async (given) => {
    const events = buildEvents(6, { entity: 'task/a' });
    const slice = sliceOf(stored(events), { from: 2, to: 2 }, { from: 5, to: 6 });
    await given.store.takeOver(slice);
    await given.nowAndReopened(async (now) => {
      assert.deepEqual(await positionsOf(now), [1, 3, 4]);
      assert.deepEqual(await now.removed(), slice.removed);
      assert.deepEqual((await now.find([events[4]!.id])).get(events[4]!.id), knownAs(slice.tombstones[1]!));
      assert.equal(await now.revision('task/a'), 6);
    });
    const again = await given.store.append([events[5]!]);
    assert.deepEqual([again.position, again.duplicate], [6, true]);
    const next = await given.store.append([buildEvent({ entity: 'task/a' })]);
    assert.deepEqual([next.position, next.revisions], [7, [7]]);
  });

  test('takes over positions of which nothing is known any more', async (given) => {
    const slice = sliceOf(stored(buildEvents(9)), { from: 1, to: 2 }, { from: 5, to: 6 }, { from: 8, to: 9 });
    await given.store.takeOver({ ...slice, tombstones: [] });
    await given.nowAndReopened(async (now) => {
      assert.deepEqual(await positionsOf(now), [3, 4, 7]);
      assert.deepEqual(await now.removed(), slice.removed);
      assert.deepEqual(await now.tombstones({ from: 1, to: 9 }, 10), []);
      assert.deepEqual(await now.head(), { position: 9, storedAt: STORED_AT });
    });
    assert.equal((await given.store.append([buildEvent()])).position, 10);
  });

  test('takes over a log in which nothing is left', async ({ store, nowAndReopened }) => {
    const slice = sliceOf(stored(buildEvents(4)), { from: 1, to: 4 });
    await store.takeOver({ ...slice, to: 3, removed: [{ ...slice.removed[0]!, to: 3 }], tombstones: [] });
    await store.takeOver({
      ...slice,
      from: 4,
      removed: [{ ...slice.removed[0]!, from: 4 }],
      tombstones: slice.tombstones.slice(3),
    });
    await nowAndReopened(async (now) => {
      assert.deepEqual(await positionsOf(now), []);
      assert.deepEqual(await now.removed(), slice.removed);
    });
  });

  test('takes over slice behind slice, and makes one log of them', async ({ store, nowAndReopened }) => {
    const events = stored(Array.from({ length: 60 }, (_, i) => buildEvent({ entity: `task/${i % 5}` })));
    const revised = withRevisions(events);
    const whole = sliceOf(revised, ...rangesOf(60, isThirdOrAmongMany));
    for (let from = 1; from <= 60; from += 7) await store.takeOver(partOf(whole, from, Math.min(60, from + 6)));
    await nowAndReopened(async (now) => {
      assert.deepEqual(await readAll(now), whole.events);
      assert.deepEqual(await now.removed(), whole.removed);
      const left = await now.tombstones({ from: 1, to: 60 }, 100);
      assert.deepEqual(left.map(knownAs), whole.tombstones.map(knownAs));
      for (const { entity, revision } of revised.slice(-5)) assert.equal(await now.revision(entity!), revision);
    });
  });

  test('takes over more at once than goes into one commit', async ({ store, nowAndReopened }) => {
    const whole = sliceOf(stored(buildEvents(1_500)), ...rangesOf(1_500, isThirdOrAmongMany));
    await store.takeOver(whole);
    await nowAndReopened(async (now) => {
      assert.deepEqual(await readAll(now), whole.events);
      assert.deepEqual(await now.removed(), whole.removed);
    });
  });

  test('takes over only what follows its head', async (given) => {
    await given.store.append(buildEvents(2));
    const slice = sliceOf(stored(buildEvents(4)));
    await unchanged(given, slice);
    await unchanged(given, partOf(slice, 4, 4));
    await given.store.takeOver(partOf(slice, 3, 4));
    assert.deepEqual(await positionsOf(given.store), [1, 2, 3, 4]);
  });

  test('takes over no hole that is not explained, and nothing twice', async (given) => {
    const events = stored(buildEvents(3, { entity: 'task/a' }));
    const slice = sliceOf(events, { from: 2, to: 2 });
    const first = events[0]!;
    await unchanged(given, { ...slice, removed: [] });
    await unchanged(given, { ...slice, events });
    await unchanged(given, { ...slice, tombstones: [{ ...slice.tombstones[0]!, position: 3 }] });
    await unchanged(given, { ...slice, tombstones: [{ ...slice.tombstones[0]!, id: first.id }] });
    await unchanged(given, { ...slice, events: [first, { ...events[2]!, revision: 1 }] });
    await given.store.append([buildEvent({ id: first.id })]);
    await unchanged(given, partOf(sliceOf([...stored(buildEvents(1)), { ...first, position: 2 }]), 2, 2));
  });

  test('lists what is left of removed events', async ({ store, nowAndReopened }) => {
    const events = buildEvents(5, { entity: 'task/a' });
    await store.append(events);
    await store.remove(
      [
        { from: 2, to: 3 },
        { from: 5, to: 5 },
      ],
      REASON,
    );
    const known = await store.find(events.map(({ id }) => id));
    await nowAndReopened(async (now) => {
      const left = await now.tombstones({ from: 1, to: 100 }, 10);
      assert.deepEqual(
        left.map(knownAs),
        [1, 2, 4].map((i) => known.get(events[i]!.id)),
      );
      assert.equal(left[2]!.entity, 'task/a');
      assert.deepEqual(
        (await now.tombstones({ from: 3, to: 4 }, 10)).map(({ position }) => position),
        [3],
      );
      assert.deepEqual(
        (await now.tombstones({ from: 1, to: 5 }, 2)).map(({ position }) => position),
        [2, 3],
      );
    });
  });

  test('lists of removed ranges what lies between two positions, as much as is asked for', async (given) => {
    await given.store.append(buildEvents(30));
    for (const range of LONG_GONE) await given.store.remove([range], REASON);
    const gone = upTo(30).filter((position) => LONG_GONE.some(({ from, to }) => from <= position && position <= to));
    await given.nowAndReopened(async (now) => {
      for (const range of FIRSTS.flatMap((from) => LASTS.map((to) => ({ from, to })))) {
        const wanted = gone.filter((position) => range.from <= position && position <= range.to);
        for (const limit of [0, 3, 100]) {
          const left = (await now.tombstones(range, limit)).map(({ position }) => position);
          assert.deepEqual(left, wanted.slice(0, limit), `${limit} of those from ${range.from} to ${range.to}`);
        }
      }
    });
  });

  test('lists the collections of its documents', async ({ store, nowAndReopened }) => {
    assert.deepEqual(await store.collections(), []);
    for (const [collection, key] of [
      ['a', 'one'],
      ['a', 'two'],
      ['snapshots', 'x'],
      ['gone', 'x'],
    ] as const)
      await store.putDocument(collection, key, 1);
    await store.deleteDocument('gone', 'x');
    await nowAndReopened(async (now) => {
      assert.deepEqual((await now.collections()).toSorted(), ['a', 'snapshots']);
    });
  });

  test('feeds what it took over', async ({ store }) => {
    const fed: number[] = [];
    store.onCommit((events) => void fed.push(...events.map(({ position }) => position)));
    await store.takeOver(sliceOf(stored(buildEvents(4)), { from: 1, to: 1 }, { from: 3, to: 3 }));
    await store.append([buildEvent()]);
    await store.close();
    assert.deepEqual(fed, [2, 4, 5]);
  });
};

/** Fails unless the slice is refused and nothing has changed. */
async function unchanged({ store }: StoreTest, slice: ImportSlice): Promise<void> {
  const before = [await store.head(), await readAll(store), await store.removed()];
  await rejects(store.takeOver(slice), 'IMPORT_REFUSED');
  assert.deepEqual([await store.head(), await readAll(store), await store.removed()], before);
}

/** As another log has them, from position 1 on. */
function stored(events: readonly TelltaleEvent[], position = 1, revision = 1): StoredEvent[] {
  return events.map((event, i) => ({
    ...event,
    position: position + i,
    revision: event.entity === undefined ? 0 : revision + i,
    storedAt: STORED_AT,
  }));
}

function withRevisions(events: readonly StoredEvent[]): StoredEvent[] {
  const revisions = new Map<string, number>();
  return events.map((event) => {
    const revision = (revisions.get(event.entity!) ?? 0) + 1;
    revisions.set(event.entity!, revision);
    return { ...event, revision };
  });
}

/** All of a log from which some ranges were removed. */
function sliceOf(log: readonly StoredEvent[], ...gone: readonly Range[]): ImportSlice {
  const isGone = ({ position }: StoredEvent): boolean =>
    gone.some(({ from, to }) => from <= position && position <= to);
  return {
    from: log[0]!.position,
    to: log.at(-1)!.position,
    storedAt: STORED_AT,
    events: log.filter((event) => !isGone(event)),
    removed: gone.map((range) => ({ ...range, reason: REASON, at: STORED_AT })),
    tombstones: log.filter(isGone).map(tombstoneOf),
  };
}

function partOf({ storedAt, events, removed, tombstones }: ImportSlice, from: number, to: number): ImportSlice {
  const isIn = ({ position }: { readonly position: number }): boolean => position >= from && position <= to;
  const parts = removed.filter((range) => range.from <= to && range.to >= from);
  return {
    from,
    to,
    storedAt,
    events: events.filter(isIn),
    removed: parts.map((range) => ({ ...range, from: Math.max(range.from, from), to: Math.min(range.to, to) })),
    tombstones: tombstones.filter(isIn),
  };
}

function rangesOf(end: number, isGone: (position: number) => boolean): Range[] {
  const ranges: { from: number; to: number }[] = [];
  for (const position of upTo(end).filter(isGone)) {
    const last = ranges.at(-1);
    if (last?.to === position - 1) last.to = position;
    else ranges.push({ from: position, to: position });
  }
  return ranges;
}

function tombstoneOf(event: StoredEvent): Tombstone {
  const { id, position, revision, storedAt, entity } = event;
  const known = { id, position, revision, storedAt, hash: contentHash(event) };
  return entity === undefined ? known : { ...known, entity };
}

function isThirdOrAmongMany(position: number): boolean {
  return position % 3 === 0 || (position > 20 && position < 32);
}

/** A store need not tell the entity of every tombstone. */
function knownAs({ id, position, revision, storedAt, hash }: Tombstone): object {
  return { id, position, revision, storedAt, hash };
}
