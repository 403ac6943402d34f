import { expect } from 'chai';
import { createVirtualClock } from '../../lib/clock.ts';
import type { Store } from '../../lib/store/port.ts';
import { memory } from '../../plugins/memory/index.ts';
import { buildEvents } from '../support/event-builder.ts';
import { busyMs, longestHoldMs } from '../support/loop-hold.ts';

const EVENTS = 60_000;

describe('memory: removal', () => {
  it('holds the event loop for at most 20 ms, and lets appends and readers through', async () => {
    // Up to five attempts: a collection of the garbage of other specs, and what is compiled meanwhile, are not its work.
    let hold = Infinity;
    for (let attempt = 0; attempt < 5 && hold >= 20; attempt++) hold = Math.min(hold, await removeAll());
    expect(hold).to.be.lessThan(20);
  }).timeout(60_000);

  it('control: work in one piece is seen to hold the loop', async () => {
    const hold = await longestHoldMs(async () => {
      for (const end = busyMs() + 40; busyMs() < end;);
    });
    expect(hold).to.be.greaterThan(20);
  });

  it('tells of what goes because the store is full', async () => {
    const store = memory({ capacity: 10 });
    await store.open();
    const told: unknown[] = [];
    store.onRemove((ranges) => told.push(...ranges));
    await store.append(buildEvents(10));
    expect(told).to.deep.equal([]);
    await store.append(buildEvents(3));
    expect(told).to.deep.equal([{ from: 1, to: 3 }]);
    await store.close();
  });

  it('takes the other half of a log full of holes as quickly as the first', async function () {
    this.timeout(30_000);
    const count = EVENTS / 2;
    const store = memory({ capacity: EVENTS, keepIds: 10 });
    await store.open();
    for (let i = 0; i < count; i += 1_000) await store.append(buildEvents(1_000));
    const odd = Array.from({ length: count / 2 }, (_, i) => ({ from: 2 * i + 1, to: 2 * i + 1 }));
    const first = await cpuMs(() => store.remove(odd, 'odd'));
    const second = await cpuMs(() => store.remove([{ from: 1, to: count }], 'even'));
    expect(await store.removed()).to.have.length(count);
    // One list of all ranges for each slice; for each range it would be hundreds of times as much.
    expect(second).to.be.lessThan(first * 3 + 500);
    await store.close();
  });

  it('bounds the ranges of what goes because the store is full, and keeps their times while ids are known', async () => {
    const clock = createVirtualClock();
    const store = memory({ capacity: 10, keepIds: 100 });
    await store.open({ clock });
    const start = clock.now();
    for (let i = 0; i < 4_000; i++) {
      await store.append(buildEvents(1));
      await clock.advance(1);
    }
    const removed = await store.removed();
    expect(removed.length).to.be.greaterThan(100).and.lessThan(1_400);
    for (const { from, to, at } of removed.slice(-100)) expect([to, at]).to.deep.equal([from, start + from + 9]);
    expect([removed[0]!.from, removed[removed.length - 1]!.to]).to.deep.equal([1, 3_990]);
    await store.close();
  });
});

/** Removes everything while others append and read; answers how long that held the event loop. */
async function removeAll(): Promise<number> {
  const store = memory({ capacity: EVENTS * 2 });
  await store.open();
  for (let i = 0; i < EVENTS; i += 1_000) await store.append(buildEvents(1_000, { entity: `task/${i % 7}` }));
  const states = { done: false, meanwhile: 0, seen: Infinity };
  const hold = await longestHoldMs(async () => {
    const removing = store.remove([{ from: 1, to: EVENTS }], 'old').finally(() => (states.done = true));
    while (!states.done) {
      await store.append(buildEvents(1));
      states.meanwhile++;
      const recorded = await recordedUpTo(store);
      const { events } = await store.page({ after: 0, through: Infinity, descending: false, limit: 10 });
      // What goes is gone from the start on, and every hole is recorded at once; it goes on between two looks.
      if (events.length > 0) expect(events[0]!.position - 1).to.be.within(recorded, await recordedUpTo(store));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await removing).to.equal(EVENTS);
  });
  expect(states.meanwhile).to.be.greaterThan(5);
  const left = await store.page({
    types: ['task.created'],
    after: 0,
    through: Infinity,
    descending: false,
    limit: 10,
  });
  expect(left.events[0]!.position).to.equal(EVENTS + 1);
  expect(await store.size()).to.include({ events: states.meanwhile });
  await store.close();
  return hold;
}

/** The end of what is recorded as removed from the start of the log on. */
async function recordedUpTo(store: Store): Promise<number> {
  return (await store.removed({ from: 1, to: EVENTS }))[0]?.to ?? 0;
}

async function cpuMs(work: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}
