import { expect } from 'chai';
import fc from 'fast-check';
import { createVirtualClock, type VirtualClock } from '../../lib/clock.ts';
import type { StoredEvent } from '../../lib/event/event.ts';
import { ResultCache, type CacheLimits } from '../../lib/history/cache.ts';
import { count } from '../../lib/history/lookup.ts';
import { query, type HistoryOptions } from '../../lib/history/query.ts';
import { search } from '../../lib/history/search.ts';
import type { Store } from '../../lib/store/port.ts';
import { memory } from '../../plugins/memory/index.ts';
import { buildEvent } from '../support/event-builder.ts';
import { createGate } from '../support/turns.ts';

const LIMITS: CacheLimits = { entries: 100, bytes: 1_000_000, ttlMs: 60_000 };

interface Cached {
  readonly store: Store;
  readonly cache: ResultCache;
  readonly clock: VirtualClock;
  readonly history: HistoryOptions;
}

async function createCached(events = 20, limits: Partial<CacheLimits> = {}): Promise<Cached> {
  const clock = createVirtualClock();
  const cache = new ResultCache({ ...LIMITS, ...limits }, clock);
  const store = memory();
  await store.open({ clock });
  store.onRemove((ranges) => cache.forget(ranges));
  await store.append(Array.from({ length: events }, (_, i) => eventAt(i + 1)));
  return { store, cache, clock, history: { cache, clock } };
}

function eventAt(n: number) {
  return buildEvent({ id: `e${n}`, type: n % 2 === 0 ? 'task.done' : 'task.failed', payload: { text: `number ${n}` } });
}

const positions = (events: readonly StoredEvent[]): readonly number[] => events.map(({ position }) => position);

function countTurns(): { readonly count: number; end(): void } {
  let turns = 0;
  let next = setImmediate(function turned() {
    turns++;
    next = setImmediate(turned);
  });
  return {
    get count() {
      return turns;
    },
    end: () => clearImmediate(next),
  };
}

describe('the result cache', () => {
  it('answers the same question from memory', async () => {
    const { store, cache, history } = await createCached();
    const first = await query(store, { type: 'task.done', limit: 3 }, history);
    const again = await query(store, { limit: 3, type: ['task.done'] }, history);
    expect(again.events).to.equal(first.events);
    expect(again.cursor).to.equal(first.cursor);
    expect(cache.figures).to.include({ entries: 1, hits: 1, misses: 1 });
    expect(await count(store, { type: 'task.done' }, history)).to.equal(10);
    expect(await count(store, { type: 'task.done' }, history)).to.equal(10);
    for (let i = 0; i < 2; i++) expect((await search(store, 'number 2', {}, history)).hits).to.have.length(3);
    expect(cache.figures).to.include({ entries: 3, hits: 3, misses: 3 });
  });

  it('tells questions apart by everything that matters', async () => {
    const { store, cache, history } = await createCached();
    const { cursor } = await query(store, { limit: 2 }, history);
    for (const options of [
      { limit: 3 },
      { limit: 2, direction: 'backward' },
      { limit: 2, order: 'time' },
      { limit: 2, cursor: cursor! },
      { limit: 2, to: 10 },
      { limit: 2, from: 2 },
      { limit: 2, where: { type: 'task.done' } },
    ] as const)
      await query(store, options, history);
    expect(cache.figures).to.include({ entries: 8, hits: 0, misses: 8 });
  });

  it('is never behind: a question without end sees what is stored since', async () => {
    const { store, history } = await createCached(3);
    expect(positions((await query(store, {}, history)).events)).to.eql([1, 2, 3]);
    expect(await count(store, {}, history)).to.equal(3);
    await store.append([eventAt(4)]);
    expect(positions((await query(store, {}, history)).events)).to.eql([1, 2, 3, 4]);
    expect(await count(store, {}, history)).to.equal(4);
  });

  it('keeps an answer whose window is closed whatever is stored behind it', async () => {
    const { store, cache, history } = await createCached();
    await query(store, { to: 10 }, history);
    await store.append([eventAt(21)]);
    await query(store, { to: 10 }, history);
    expect(cache.figures).to.include({ hits: 1 });
  });

  it('forgets what a removal has touched, and nothing else', async () => {
    const { store, cache, history } = await createCached();
    await query(store, { to: 5 }, history);
    await query(store, { from: 6, to: 10 }, history);
    await store.remove([{ from: 6, to: 6 }], 'test');
    expect(positions((await query(store, { to: 5 }, history)).events)).to.eql([1, 2, 3, 4, 5]);
    expect(cache.figures).to.include({ hits: 1, entries: 1 });
    expect(positions((await query(store, { from: 6, to: 10 }, history)).events)).to.eql([7, 8, 9, 10]);
    await store.rewrite([{ ...(await query(store, { from: 7, limit: 1 })).events[0]!, payload: 'erased' }]);
    expect((await query(store, { from: 6, to: 10 }, history)).events[0]!.payload).to.equal('erased');
  });

  it('does not keep what was read while something was removed', async () => {
    const { store, cache, history } = await createCached();
    const gate = createGate();
    const entered = createGate();
    const slow = new Proxy(store, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== 'function') return value;
        if (name !== 'page') return value.bind(target) as unknown;
        return async (asked: never) => {
          const page = await target.page(asked);
          entered.open();
          await gate.promise;
          return page;
        };
      },
    });
    const asked = query(slow, { to: 5 }, history);
    const reading = Promise.resolve(asked);
    await entered.promise;
    await store.remove([{ from: 2, to: 3 }], 'test');
    gate.open();
    await reading;
    expect(cache.figures.entries).to.equal(0);
    expect(positions((await query(store, { to: 5 }, history)).events)).to.eql([1, 4, 5]);
  });

  it('neither goes through nor freezes an answer that is too large to be kept', async () => {
    const { cache } = await createCached(1, { bytes: 10_000 });
    let looks = 0;
    const row = new Proxy({ n: 1 }, { ownKeys: (target) => (looks++, Reflect.ownKeys(target)) });
    const rows = Array.from({ length: 100_000 }, () => row);
    await cache.through(['large'], { after: 0, through: 1 }, async () => rows);
    expect(looks).to.equal(0);
    expect(cache.figures).to.include({ entries: 0, bytes: 0 });
    expect(Object.isFrozen(rows) || Object.isFrozen(row)).to.equal(false);
  });

  it('lets the event loop turn while it goes through and freezes what it keeps', async () => {
    const { cache } = await createCached(1, { bytes: 100_000_000 });
    const turns = countTurns();
    const [lookedAt, frozenAt]: number[][] = [[], []];
    // One stands at each end of the answer.
    const end = (): object =>
      new Proxy(
        {},
        {
          ownKeys: (target) => (lookedAt!.push(turns.count), Reflect.ownKeys(target)),
          preventExtensions: (target) => (frozenAt!.push(turns.count), Reflect.preventExtensions(target)),
        },
      );
    const rows = Array.from({ length: 2_000 }, (_, i) =>
      Array.from({ length: 300 }, (_nothing, j) => ({ row: `${i} ${j}` })),
    );
    const answer = async (): Promise<object[]> => [end(), ...rows, end()];
    await cache.through(['rows'], { after: 0, through: 1 }, answer).finally(() => turns.end());
    for (const at of [lookedAt!, frozenAt!])
      expect(at[1]! - at[0]!, 'turns between the first and the last').to.be.above(1);
    expect(cache.figures.entries).to.equal(1);
    expect(rows.every((row) => Object.isFrozen(row) && row.every(Object.isFrozen))).to.equal(true);
  });

  it('keeps an answer for its time only', async () => {
    const { store, cache, clock, history } = await createCached();
    await query(store, { to: 5 }, history);
    await clock.advance(59_999);
    await query(store, { to: 5 }, history);
    expect(cache.figures).to.include({ hits: 1 });
    await clock.advance(1);
    await query(store, { to: 5 }, history);
    expect(cache.figures).to.include({ hits: 1, misses: 2, entries: 1 });
  });

  it('lets the answer go that was used longest ago when there are too many', async () => {
    const { store, cache, history } = await createCached(20, { entries: 2 });
    for (const to of [1, 2, 1, 3, 1]) await query(store, { to }, history);
    expect(cache.figures).to.include({ entries: 2, hits: 2, misses: 3 });
    await query(store, { to: 2 }, history);
    expect(cache.figures).to.include({ misses: 4 });
  });

  it('stays within its bytes, and keeps nothing that is larger than all of them', async () => {
    const { store, cache, history } = await createCached(200, { bytes: 20_000 });
    for (let to = 1; to <= 20; to++) await query(store, { from: to, to: to + 4 }, history);
    expect(cache.figures.bytes).to.be.within(5_000, 20_000);
    expect(cache.figures.entries).to.be.within(2, 19);
    const { entries } = cache.figures;
    await query(store, { limit: 200 }, history);
    expect(cache.figures.entries).to.equal(entries);
    cache.forget([{ from: 1, to: Infinity }]);
    expect(cache.figures).to.include({ entries: 0, bytes: 0 });
  });

  it('hands out frozen answers, and events through the presenter', async () => {
    const { store, history } = await createCached(1);
    const { events } = await query(store, {}, history);
    expect(Object.isFrozen(events)).to.equal(true);
    expect(Object.isFrozen(events[0]!.payload)).to.equal(true);
    let shown = 0;
    const present = (event: StoredEvent): StoredEvent => ({ ...event, schemaVersion: ++shown + 1 });
    for (const version of [2, 3])
      expect((await query(store, {}, { ...history, present })).events[0]!.schemaVersion).to.equal(version);
  });

  it('keeps no failure', async () => {
    const { store, cache, history } = await createCached();
    const signal = AbortSignal.abort();
    await query(store, { signal }, history).then(
      () => expect.fail('nothing was refused'),
      (error: unknown) => expect(error).to.have.property('code', 'ABORTED'),
    );
    expect(cache.figures.entries).to.equal(0);
    expect((await query(store, {}, history)).events).to.have.length(20);
  });

  it('answers as the store does, whatever is stored, removed and asked in between', async function () {
    this.timeout(20_000);
    const steps = fc.array(
      fc.oneof(
        fc.record({ kind: fc.constant('append' as const), events: fc.integer({ min: 1, max: 3 }) }),
        fc.record({ kind: fc.constant('remove' as const), at: fc.integer({ min: 1, max: 10 }) }),
        fc.record({
          kind: fc.constant('query' as const),
          from: fc.integer({ min: 1, max: 3 }),
          to: fc.option(fc.constantFrom(4, 9), { nil: undefined }),
          type: fc.constantFrom('task.done', 'task.failed'),
        }),
      ),
      { maxLength: 40, size: 'max' },
    );
    let hits = 0;
    await fc.assert(
      fc.asyncProperty(steps, async (taken) => {
        const { store, cache, history } = await createCached(8, { entries: 5 });
        let last = 8;
        for (const step of taken) {
          if (step.kind === 'append') {
            const added = Array.from({ length: step.events }, () => eventAt(++last));
            await store.append(added);
          } else if (step.kind === 'remove') await store.remove([{ from: step.at, to: step.at }], 'test');
          else {
            const { kind: _, to, ...asked } = step;
            const options = { ...asked, ...(to !== undefined && { to }) };
            const { events } = await query(store, options, history);
            expect(events).to.eql((await query(store, options)).events);
          }
        }
        hits += cache.figures.hits;
        await store.close();
      }),
      { numRuns: 100 },
    );
    expect(hits).to.be.above(10);
  });
});
