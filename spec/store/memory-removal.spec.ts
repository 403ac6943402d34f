import { expect } from 'chai';
import { memory } from '../../plugins/memory/index.ts';
import { buildEvents } from '../support/event-builder.ts';
import { longestHoldMs } from '../support/loop-hold.ts';

const EVENTS = 60_000;

describe('memory: removal', () => {
  it('holds the event loop for at most 20 ms, and lets appends and readers through', async function () {
    this.timeout(30_000);
    const store = memory({ capacity: EVENTS * 2 });
    await store.open();
    for (let i = 0; i < EVENTS; i += 1_000) await store.append(buildEvents(1_000, { entity: `task/${i % 7}` }));
    const states = { done: false, meanwhile: 0, seen: Infinity };
    const hold = await longestHoldMs(async () => {
      const removing = store.remove([{ from: 1, to: EVENTS }], 'old').finally(() => (states.done = true));
      while (!states.done) {
        await store.append(buildEvents(1));
        states.meanwhile++;
        const { events, looked } = await store.page({ after: 0, through: Infinity, descending: false, limit: 10 });
        // What goes is gone from the start on, and every hole is recorded at once.
        expect(events[0]?.position ?? looked + 1).to.be.greaterThan(0);
        const [gone] = await store.removed({ from: 1, to: (events[0]?.position ?? 1) - 1 || 1 });
        if (events.length > 0 && events[0]!.position > 1) expect(gone!.to).to.equal(events[0]!.position - 1);
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(await removing).to.equal(EVENTS);
    });
    expect(hold).to.be.lessThan(20);
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
  });

  it('control: work in one piece is seen to hold the loop', async () => {
    const hold = await longestHoldMs(async () => {
      for (const start = process.cpuUsage().user; process.cpuUsage().user - start < 40_000;);
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
});
