import { expect } from 'chai';
import { createVirtualClock } from '../../lib/plugin.ts';
import type { PageQuery, Store } from '../../lib/plugin.ts';
import { Generations } from '../../plugins/memory/generations.ts';
import { memory } from '../../plugins/memory/index.ts';
import type { MemoryOptions } from '../../plugins/memory/index.ts';
import { ShardedMap } from '../../plugins/memory/sharded-map.ts';
import { buildEvent, buildEvents } from '../support/event-builder.ts';

describe('memory()', () => {
  it('lets the oldest events go beyond its capacity and records them as removed', async () => {
    const store = await openStore({ capacity: 100 });
    const events = buildEvents(250, { entity: 'task/a', correlationId: 'c' });
    for (const event of events) await store.append([event]);
    for (const hints of [{}, { entity: 'task/a' }, { correlationId: 'c' }, { types: ['task.created'] }]) {
      const found = await positionsOf(store, hints);
      expect([found.length, found[0], found.at(-1)]).to.deep.equal([100, 151, 250]);
    }
    const removals = (await store.removed()).map(({ from, to, reason }) => ({ from, to, reason }));
    expect(removals).to.deep.equal([{ from: 1, to: 150, reason: 'bound' }]);
    expect(await store.revision('task/a')).to.equal(250);
  });

  it('remembers the ids and revisions of events that went', async () => {
    const store = await openStore({ capacity: 10 });
    const events = Array.from({ length: 50 }, (_, i) => buildEvent({ entity: `task/${i}` }));
    for (const event of events) await store.append([event]);
    expect(await store.append([events[0]!])).to.include({ position: 1, duplicate: true });
    expect(await store.revision('task/0')).to.equal(1);
    expect((await store.append([buildEvent({ entity: 'task/0' })])).revisions).to.deep.equal([2]);
  });

  it('records no position as removed twice where the bound meets an earlier removal', async () => {
    const store = await openStore({ capacity: 10 });
    await store.append(buildEvents(10));
    await store.remove([{ from: 2, to: 4 }], 'old');
    await store.append(buildEvents(10));
    expect((await store.removed()).map(({ from, to, reason }) => `${from}-${to} ${reason}`)).to.deep.equal([
      '1-1 bound',
      '2-4 old',
      '5-10 bound',
    ]);
    expect(await positionsOf(store)).to.have.lengthOf(10);
  });

  it('refuses options that make no sense', () => {
    for (const options of [{ capacity: 0 }, { keepIds: 1.5 }, { size: 10 }, { index: ['type'] }] as MemoryOptions[])
      expect(() => memory(options))
        .to.throw()
        .with.property('code', 'INVALID_OPTION');
  });

  it('spreads keys that are alike over maps of at most 65,536 entries', () => {
    const families: readonly ((n: number) => string)[] = [
      (n) => `task-${n}`,
      (n) => `user/${n}/profile`,
      (n) => `0190a0b0-0000-7000-8000-${n.toString(16).padStart(12, '0')}`,
      (n) => `${n.toString(16).padStart(12, '0')}-0190a0b0-0000-7000-8000`,
    ];
    for (const family of families) {
      const map = new ShardedMap<number>();
      for (let n = 0; n < 50_000; n++) map.set(family(n), n);
      expect(map.get(family(49_999))).to.equal(49_999);
      // A million keys spread alike would fill no map beyond the limit.
      expect(map.largest * 20, family(1)).to.be.at.most(65_536);
    }
  });

  it('fills a page from one part of the log to the next, in both directions', async () => {
    const store = await openStore({ capacity: 10_000 });
    await store.append(buildEvents(5_000));
    await store.remove([{ from: 4_090, to: 4_092 }], 'test');
    for (const descending of [false, true]) {
      const { events } = await store.page({ after: 4_087, through: 4_200, descending, limit: 105 });
      const all = Array.from({ length: 113 }, (_, i) => 4_088 + i).filter((n) => n < 4_090 || n > 4_092);
      const expected = (descending ? all.toReversed() : all).slice(0, 105);
      expect(events.map(({ position }) => position)).to.deep.equal(expected);
    }
  });

  it('forgets the oldest of what it remembers', () => {
    const remembered = new Generations<number>(80);
    for (let n = 0; n < 1_000; n++) remembered.set(`key-${n}`, n);
    for (let n = 920; n < 1_000; n++) expect(remembered.get(`key-${n}`)).to.equal(n);
    expect(remembered.get('key-900')).to.equal(undefined);
  });
});

async function openStore(options: MemoryOptions): Promise<Store> {
  const store = memory(options);
  await store.open({ clock: createVirtualClock() });
  return store;
}

async function positionsOf(store: Store, query: Partial<PageQuery> = {}): Promise<number[]> {
  const positions: number[] = [];
  for await (const { position } of store.read(query)) positions.push(position);
  return positions;
}
