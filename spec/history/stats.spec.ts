import { expect } from 'chai';
import fc from 'fast-check';
import sinon from 'sinon';
import { createVirtualClock } from '../../lib/clock.ts';
import { Tally } from '../../lib/history/ranking.ts';
import { createStats } from '../../lib/history/stats.ts';
import { TimeHistogram } from '../../lib/history/time-histogram.ts';
import type { Store } from '../../lib/store/port.ts';
import { memory } from '../../plugins/memory/index.ts';
import { buildEvent } from '../support/event-builder.ts';
import { rejectionOf } from '../support/rejection-of.ts';

const START = Date.UTC(2026, 0, 1);
const clock = createVirtualClock(START);

async function createLog(events: number): Promise<Store> {
  const store = memory();
  await store.open({ clock });
  await add(store, events);
  return store;
}

function build(n: number) {
  return buildEvent({
    id: `e${n}`,
    type: n % 4 === 0 ? 'task.failed' : 'task.done',
    source: n % 3 === 0 ? 'builder' : 'planner',
    time: START + n * 1_000,
    payload: { n },
  });
}

async function add(store: Store, events: number, first = 1): Promise<void> {
  if (events > 0) await store.append(Array.from({ length: events }, (_, i) => build(first + i)));
}

describe('stats', () => {
  it('tells totals, ends, types, sources, times and bytes', async () => {
    const store = await createLog(12);
    const told = await createStats(store)();
    expect(told).to.deep.include({
      events: 12,
      head: 12,
      removed: { positions: 0 },
      oldest: { id: 'e1', type: 'task.done', position: 1, time: START + 1_000, storedAt: START },
      newest: { id: 'e12', type: 'task.failed', position: 12, time: START + 12_000, storedAt: START },
      types: {
        top: [
          { name: 'task.done', events: 9 },
          { name: 'task.failed', events: 3 },
        ],
        distinct: 2,
        others: 0,
      },
      sources: {
        top: [
          { name: 'planner', events: 8 },
          { name: 'builder', events: 4 },
        ],
        distinct: 2,
        others: 0,
      },
    });
    expect(told.overTime.bucketMs).to.equal(1_000);
    expect(told.overTime.buckets).to.have.length(12);
    expect(told.overTime.buckets[0]).to.deep.equal({ from: START + 1_000, events: 1 });
    expect(told.originalBytes).to.be.within(12 * 100, 12 * 400);
    expect(told.storedBytes).to.be.above(0);
  });

  it('tells of a log that is empty, and of one that everything was removed from', async () => {
    const store = await createLog(0);
    const stats = createStats(store);
    const none = { top: [], distinct: 0, others: 0 };
    const empty = { events: 0, types: none, sources: none, overTime: { bucketMs: 1_000, buckets: [] } };
    expect(await stats())
      .to.deep.include({ ...empty, head: 0 })
      .and.not.have.any.keys('oldest', 'newest');
    await add(store, 3);
    await clock.advance(5_000);
    await store.remove([{ from: 1, to: 3 }], 'cleared');
    const removed = { positions: 3, lastAt: clock.now(), lastReason: 'cleared' };
    expect(await stats())
      .to.deep.include({ ...empty, head: 3, removed })
      .and.not.have.any.keys('oldest', 'newest');
  });

  it('lists as many types as it is asked for and counts the events of the others', async () => {
    const { types } = await createStats(await createLog(8))({ top: 1 });
    expect(types).to.deep.equal({ top: [{ name: 'task.done', events: 6 }], distinct: 2, others: 2 });
  });

  it('reads only what came since the last time', async () => {
    const store = await createLog(10);
    const stats = createStats(store);
    await stats();
    await add(store, 2, 11);
    const page = sinon.spy(store, 'page');
    expect(await stats()).to.include({ events: 12 });
    expect(page.args.map(([asked]) => asked.after)).to.eql([10]);
    expect(await stats()).to.include({ events: 12 });
    expect(page.callCount).to.equal(1);
  });

  it('counts anew after a removal', async () => {
    const store = await createLog(2_500);
    const stats = createStats(store);
    await stats();
    await store.remove([{ from: 1, to: 4 }], 'first');
    const first = { positions: 4, lastAt: clock.now(), lastReason: 'first' };
    expect(await stats()).to.deep.include({ events: 2_496, removed: first });
    await clock.advance(1_000);
    await store.remove([{ from: 9, to: 9 }], 'second');
    await clock.advance(1_000);
    await store.remove([{ from: 6, to: 6 }], 'third');
    const told = await stats();
    expect(told).to.deep.include({
      events: 2_494,
      removed: { positions: 6, lastAt: clock.now(), lastReason: 'third' },
    });
    expect(told.oldest).to.include({ position: 5 });
    expect(told.newest).to.include({ position: 2_500 });
  });

  it('counts anew where a removal is recorded before it is carried out, and while it reads', async () => {
    const store = await createLog(2_500);
    const stats = createStats(store);
    sinon.stub(store, 'removed').resolves([{ from: 1, to: 5, at: 1, reason: 'test' }]);
    expect(await stats()).to.include({ events: 2_500 });
    await store.remove([{ from: 1, to: 4 }], 'test');
    const page = store.page.bind(store);
    let removing: Promise<unknown> | undefined;
    sinon.stub(store, 'page').callsFake(async (asked) => {
      const answer = await page(asked);
      await (removing ??= store.remove([{ from: 5, to: 5 }], 'test'));
      return answer;
    });
    expect(await stats()).to.include({ events: 2_496 });
    expect(await stats()).to.include({ events: 2_495 });
  });

  it('answers calls at the same time, and goes on after one that was aborted', async () => {
    const store = await createLog(50);
    const stats = createStats(store);
    const aborted = rejectionOf(stats({ signal: AbortSignal.abort() }));
    const [some, others] = await Promise.all([stats(), stats()]);
    expect(await aborted).to.have.property('code', 'ABORTED');
    expect(some).to.deep.equal(others).and.include({ events: 50 });
  });

  it('refuses unknown and wrong options', async () => {
    const stats = createStats(await createLog(0));
    for (const [options, part] of [
      [{ top: 0 }, '`top`'],
      [{ top: 10_001 }, '`top`'],
      [{ tops: 1 }, '`tops` is not an option of stats'],
      [{ signal: {} }, '`signal` of stats to be an AbortSignal'],
      [7, 'an object of options'],
    ] as const) {
      const error = await rejectionOf(stats(options as never));
      expect(error.code).to.equal('INVALID_QUERY');
      expect(error.message).to.include(part);
    }
  });

  it('stops listening to the store when it is told so', async () => {
    const store = await createLog(0);
    let undone = 0;
    sinon.stub(store, 'onRemove').returns(() => undone++);
    const undos: (() => void)[] = [];
    createStats(store, (undo) => undos.push(undo));
    undos.forEach((undo) => undo());
    expect(undone).to.equal(1);
  });
});

describe('TimeHistogram', () => {
  it('counts every time in its bucket, within the limit, however far apart they are', () => {
    const times = fc.array(
      fc.oneof(fc.integer({ min: START, max: START + 1e6 }), fc.integer({ min: -1e15, max: 8e15 })),
      { minLength: 1 },
    );
    fc.assert(
      fc.property(times, fc.integer({ min: 1, max: 40 }), (given, limit) => {
        const histogram = new TimeHistogram(limit + 1);
        for (const time of given) histogram.add(time);
        const buckets = histogram.buckets();
        expect(buckets.length).to.be.at.most(limit + 1);
        for (const { from, events } of buckets)
          expect(given.filter((time) => time >= from && time < from + histogram.widthMs).length).to.equal(events);
        expect(buckets[0]!.events * buckets.at(-1)!.events).to.be.above(0);
      }),
    );
  });
});

describe('Tally', () => {
  it('tells 10,000 names apart and counts the events of further ones all the same', () => {
    const tally = new Tally();
    for (let i = 0; i < 10_005; i++) tally.add(`name-${i}`);
    tally.add('name-7');
    tally.add('name-10004');
    const { top, distinct, others } = tally.ranking(2);
    expect(top).to.deep.equal([
      { name: 'name-7', events: 2 },
      { name: 'name-0', events: 1 },
    ]);
    expect(distinct).to.equal(10_000);
    expect(others).to.equal(10_007 - 3);
  });
});
