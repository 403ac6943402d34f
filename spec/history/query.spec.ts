import { expect } from 'chai';
import fc from 'fast-check';
import { createVirtualClock } from '../../lib/clock.ts';
import type { TelltaleError } from '../../lib/errors.ts';
import type { StoredEvent } from '../../lib/event/event.ts';
import { compileFilter } from '../../lib/filter/compile.ts';
import { count, get } from '../../lib/history/lookup.ts';
import type { QueryOptions } from '../../lib/history/query-options.ts';
import type { Selection } from '../../lib/store/read/selection.ts';
import { query } from '../../lib/history/query.ts';
import type { PageQuery, Store } from '../../lib/store/port.ts';
import { memory } from '../../plugins/memory/index.ts';
import { buildEvent } from '../support/event-builder.ts';

const START = Date.UTC(2026, 0, 1);
const clock = createVirtualClock(START + 1_000);

/** 250 events: every fifth is a failure, and the time of every seventh lies before its neighbours'. */
async function createHistory(events = 250): Promise<Store> {
  const store = memory();
  await store.open({ clock });
  for (let index = 0; index < events; index++)
    await store.append([
      buildEvent({
        id: `e${index + 1}`,
        type: index % 5 === 4 ? 'task.failed' : 'task.done',
        entity: `agent/${index % 3}`,
        correlationId: `c${index % 10}`,
        time: START + (index % 7 === 6 ? index - 20 : index),
        payload: { index },
      }),
    ]);
  return store;
}

const all = async (store: Store, options: QueryOptions = {}): Promise<readonly StoredEvent[]> => {
  const events: StoredEvent[] = [];
  for await (const event of query(store, options, { clock })) events.push(event);
  return events;
};
const positions = (events: readonly StoredEvent[]): readonly number[] => events.map(({ position }) => position);
const range = (from: number, to: number): readonly number[] =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index);

const present = (event: StoredEvent): StoredEvent => ({ ...event, schemaVersion: 9 });

async function refusal(asked: PromiseLike<unknown>): Promise<TelltaleError> {
  try {
    await asked;
  } catch (error) {
    return error as TelltaleError;
  }
  throw new Error('nothing was refused');
}

describe('query', () => {
  let store: Store;
  before(async () => {
    store = await createHistory();
  });

  it('answers the first 100 events and a cursor for the next, until there is nothing more', async () => {
    const seen: number[] = [];
    let cursor: string | undefined;
    const sizes: number[] = [];
    do {
      const page = await query(store, cursor === undefined ? {} : { cursor });
      seen.push(...positions(page.events));
      sizes.push(page.events.length);
      cursor = page.cursor;
    } while (cursor !== undefined);
    expect(sizes).to.deep.equal([100, 100, 50]);
    expect(seen).to.deep.equal(range(1, 250));
  });

  it('gives no cursor when the last page is exactly full', async () => {
    const page = await query(store, { limit: 250 });
    expect(page.events).to.have.length(250);
    expect(page).not.to.have.property('cursor');
  });

  it('goes over everything as an async iterable, and over `limit` events where that is given', async () => {
    expect(positions(await all(store))).to.deep.equal(range(1, 250));
    expect(positions(await all(store, { limit: 7, direction: 'backward' }))).to.deep.equal(
      range(244, 250).toReversed(),
    );
  });

  it('may be awaited and iterated more than once', async () => {
    const asked = query(store, { limit: 2 });
    expect(await asked).to.equal(await asked);
    for (let round = 0; round < 2; round++) {
      let seen = 0;
      for await (const _ of asked) seen++;
      expect(seen).to.equal(2);
    }
  });

  it('selects by pattern, type, entity, correlation and filter together', async () => {
    const options: Selection = {
      pattern: 'task.*',
      type: ['task.failed'],
      entity: 'agent/*',
      where: { 'payload.index': { $lt: 100 } },
    };
    expect(await all(store, options)).to.have.length(20);
    expect(await all(store, { ...options, correlationId: 'c4' })).to.have.length(10);
    expect(await all(store, { ...options, pattern: 'other.**' })).to.have.length(0);
    expect(await count(store, options)).to.equal(20);
    expect(await count(store)).to.equal(250);
  });

  it('reads from, after and to every kind of place', async () => {
    const last = async (options: QueryOptions): Promise<readonly number[]> => positions(await all(store, options));
    expect(await last({ from: 5, to: 7 })).to.deep.equal([5, 6, 7]);
    expect(await last({ after: 5, to: { position: 7 } })).to.deep.equal([6, 7]);
    expect(await last({ from: { eventId: 'e249' } })).to.deep.equal([249, 250]);
    expect(await last({ from: 'latest' })).to.deep.equal([250]);
    expect(await last({ after: 'latest' })).to.deep.equal([]);
    expect(await last({ from: 'earliest', to: 2 })).to.deep.equal([1, 2]);
    expect(await last({ from: 400 })).to.deep.equal([]);
    expect(await last({ after: 400, to: 'latest' })).to.deep.equal([]);
    await store.putDocument('checkpoints', 'reporter', { position: 248 });
    expect(await last({ after: { checkpoint: 'reporter' } })).to.deep.equal([249, 250]);
  });

  it('takes times as the events’ own, whatever their positions', async () => {
    const within = (await all(store)).filter(({ time }) => time >= START + 100 && time <= START + 110);
    const asked = await all(store, { from: new Date(START + 100), to: { time: START + 110 } });
    expect(positions(asked)).to.deep.equal(positions(within));
    expect(asked).to.have.length.above(9);
    expect((await all(store, { after: { time: START + 248 } })).map(({ time }) => time - START)).to.deep.equal([249]);
    expect((await all(store, { from: { ago: 752 } })).map(({ time }) => time - START)).to.deep.equal([248, 249]);
  });

  it('orders by time, and by position where times are equal, page by page', async () => {
    const expectedOrder = [...(await all(store))].toSorted((a, b) => a.time - b.time || a.position - b.position);
    for (const direction of ['forward', 'backward'] as const) {
      const wanted = positions(direction === 'forward' ? expectedOrder : expectedOrder.toReversed());
      expect(positions(await all(store, { order: 'time', direction }))).to.deep.equal(wanted);
      const paged: StoredEvent[] = [];
      for (let cursor: string | undefined, more = true; more; more = cursor !== undefined) {
        const page = await query(store, { order: 'time', direction, limit: 33, ...(cursor && { cursor }) });
        paged.push(...page.events);
        cursor = page.cursor;
      }
      expect(positions(paged)).to.deep.equal(wanted);
    }
  });

  it('goes on where a store answers less than it was asked for', async () => {
    const slow = new Proxy(store, {
      get: (target, key) => {
        if (key === 'page') return (asked: PageQuery) => target.page({ ...asked, limit: Math.min(asked.limit, 7) });
        const value: unknown = Reflect.get(target, key, target);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
    for (const direction of ['forward', 'backward'] as const)
      for (const order of ['position', 'time'] as const)
        expect(positions(await all(slow, { direction, order }))).to.deep.equal(
          positions(await all(store, { direction, order })),
        );
    expect(await count(slow)).to.equal(250);
  });

  it('keeps the end of its window while events go on arriving', async () => {
    const own = await createHistory(20);
    const first = await query(own, { limit: 5, to: 1_000 });
    await own.append([buildEvent({ id: 'late' })]);
    const rest = await query(own, { limit: 100, to: 1_000, cursor: first.cursor! });
    expect(positions(rest.events)).to.deep.equal(range(6, 20));
    await own.close();
  });

  it('refuses a cursor of another query and one that was made up', async () => {
    const { cursor } = await query(store, { type: 'task.done' });
    for (const options of [{}, { type: 'task.failed' }, { type: 'task.done', direction: 'backward' as const }])
      expect((await refusal(query(store, { ...options, cursor: cursor! }))).code).to.equal('INVALID_CURSOR');
    for (const made of ['', 'x', 'W10', Buffer.from('[1,2,3]').toString('base64url'), cursor!.slice(0, -9), 7 as never])
      expect((await refusal(query(store, { type: 'task.done', cursor: made }))).code, made).to.equal('INVALID_CURSOR');
    expect((await query(store, { type: 'task.done', limit: 3, cursor: cursor! })).events).to.have.length(3);
  });

  it('refuses unknown and contradictory options, naming them', async () => {
    for (const [options, part] of [
      [{ typ: 'a' }, '`typ` is not an option of query'],
      [{ limit: 0 }, '`limit`'],
      [{ limit: 10_001 }, '`limit`'],
      [{ order: 'size' }, "`order` to be 'position' or 'time'"],
      [{ direction: 1 }, '`direction`'],
      [{ from: 1, after: 1 }, '`from` or `after`, got both'],
      [{ from: 9, to: 3 }, 'from position 9 to position 3'],
      [{ from: new Date(START), to: new Date(START - 1) }, 'ends after it starts'],
      [{ correlationId: 7 }, '`correlationId`'],
      [7, 'an object of options'],
    ] as const) {
      const error = await refusal(query(store, options as QueryOptions));
      expect(error.code, part).to.equal('INVALID_QUERY');
      expect(error.message).to.include(part);
    }
    expect((await refusal(count(store, { limit: 5 } as Selection))).message).to.include(
      '`limit` is not an option of count',
    );
  });

  it('refuses malformed places, patterns, types and filters with their own codes', async () => {
    const cases = {
      from: [
        'x',
        {},
        { position: -1 },
        { position: 1, time: 2 },
        1.5,
        1n,
        null,
        { eventId: 'nobody' },
        { checkpoint: 'none' },
        { eventId: 7 },
        [],
      ],
    };
    for (const from of cases.from)
      expect((await refusal(query(store, { from } as QueryOptions))).code).to.equal('INVALID_PLACE');
    expect((await refusal(query(store, { from: new Date(NaN) }))).code).to.equal('INVALID_TIME');
    expect((await refusal(query(store, { from: { ago: 'soon' as '1s' } }))).code).to.equal('INVALID_DURATION');
    expect((await refusal(query(store, { pattern: 'a*' }))).code).to.equal('INVALID_PATTERN');
    expect((await refusal(query(store, { type: 'a.*' }))).code).to.equal('INVALID_TYPE');
    expect((await refusal(query(store, { where: { 'payload.x': { $regex: '' } } }))).code).to.equal('INVALID_FILTER');
    expect((await refusal(query(store, { where: { 'payload.__proto__': 1 } }))).code).to.equal('INVALID_PATH');
  });

  it('ends when it is aborted', async () => {
    const controller = new AbortController();
    controller.abort(new Error('enough'));
    expect((await refusal(query(store, { signal: controller.signal }))).code).to.equal('ABORTED');
  });

  it('shows events through the presenter it is given', async () => {
    expect((await query(store, { limit: 1 }, { present })).events[0]!.schemaVersion).to.equal(9);
    for await (const event of query(store, { limit: 1 }, { present })) expect(event.schemaVersion).to.equal(9);
    expect(await get(store, 'e3', { present })).to.include({ schemaVersion: 9 });
  });

  it('agrees with filtering and sorting all events by hand', async () => {
    const events = await all(store);
    const options = fc.record(
      {
        from: fc.integer({ min: 0, max: 120 }),
        to: fc.integer({ min: 120, max: 300 }),
        order: fc.constantFrom('position' as const, 'time' as const),
        direction: fc.constantFrom('forward' as const, 'backward' as const),
        limit: fc.integer({ min: 1, max: 60 }),
        type: fc.constantFrom('task.done', 'task.failed', 'nothing'),
        where: fc.constantFrom({ entity: 'agent/1' }, { 'payload.index': { $gt: 100 } }),
      },
      { requiredKeys: [] },
    );
    await fc.assert(
      fc.asyncProperty(options, async (asked) => {
        const {
          from = 1,
          to = 250,
          order,
          direction,
          limit = 100,
          type,
          where = {},
        } = asked as QueryOptions & { from?: number; to?: number };
        const wanted = events
          .filter(({ position }) => position >= from && position <= to)
          .filter((event) => (type === undefined || event.type === type) && compileFilter(where)(event))
          .toSorted((a, b) => (order === 'time' ? a.time - b.time : 0) || a.position - b.position);
        if (direction === 'backward') wanted.reverse();
        const page = await query(store, asked);
        expect(positions(page.events)).to.deep.equal(positions(wanted.slice(0, limit)));
        expect(page.cursor !== undefined).to.equal(wanted.length > limit);
        if (page.cursor === undefined) return;
        const next = await query(store, { ...asked, cursor: page.cursor });
        expect(positions(next.events)).to.deep.equal(positions(wanted.slice(limit, limit * 2)));
      }),
      { numRuns: 100 },
    );
  });
});

describe('a query as a promise', () => {
  it('has `catch` and `finally`, and asks once whatever is called', async () => {
    const store = await createHistory(3);
    const asked = query(store, { limit: 2 });
    let ended = 0;
    const page = await asked.finally(() => void ended++);
    expect(await asked.catch(() => 'never')).to.equal(page);
    expect(await asked).to.equal(page);
    const wrong = query(store, { limit: 0 });
    expect(await wrong.catch((error: unknown) => (error as TelltaleError).code)).to.equal('INVALID_QUERY');
    expect((await refusal(wrong.finally(() => void ended++))).code).to.equal('INVALID_QUERY');
    expect(ended).to.equal(2);
    await store.close();
  });
});

describe('get', () => {
  it('finds an event by id and answers undefined for an id that was never stored', async () => {
    const store = await createHistory(3);
    expect(await get(store, 'e2')).to.include({ id: 'e2', position: 2 });
    expect(await get(store, 'nobody')).to.equal(undefined);
    await store.close();
  });

  it('says when and why an event was removed', async () => {
    const store = await createHistory(3);
    await store.remove([{ from: 2, to: 2 }], 'asked for by the customer');
    expect(await get(store, 'e2')).to.deep.equal({
      id: 'e2',
      removed: { position: 2, at: clock.now(), reason: 'asked for by the customer' },
    });
    expect(await get(store, 'e3')).to.include({ position: 3 });
    expect(await count(store)).to.equal(2);
    await store.close();
  });

  it('has a type that tells the two apart', async () => {
    const store = await createHistory(1);
    const found = await get(store, 'e1');
    // Compiles only where `removed` tells an event from what is left of one.
    const told: string | undefined = found?.removed ? found.removed.reason : found?.type;
    expect(told).to.equal('task.done');
    await store.close();
  });
});
