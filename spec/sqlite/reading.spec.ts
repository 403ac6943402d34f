import { expect } from 'chai';
import fc from 'fast-check';
import type { Filter, PageQuery, Store, StoredEvent } from '../../lib/plugin.ts';
import { compileFilter } from '../../lib/filter/compile.ts';
import { buildEvent } from '../../plugins/contract/build-event.ts';
import type { SqliteDriver, SqlValue } from '../../plugins/sqlite/driver.ts';
import { loadDriver } from '../../plugins/sqlite/drivers.ts';
import { parseOptions } from '../../plugins/sqlite/options.ts';
import { SqliteStore } from '../../plugins/sqlite/store.ts';
import { leastHoldMs } from '../support/loop-hold.ts';
import { driverOver } from './driver-over.ts';
import { cleanUp, freshStore, pathOf } from './files.ts';

const EVENTS = 6_000;
/** Nothing holds the event loop longer. */
const PROMISED_HOLD_MS = 20;
const PAGE = { after: 0, through: Infinity, descending: false, limit: 50 };

interface Asked {
  readonly sql: string;
  readonly parameters: readonly SqlValue[];
}

/** The real driver; keeps what it is asked. */
function listening(asked: Asked[]): SqliteDriver {
  return driverOver(loadDriver(), (database) => ({
    prepare: (sql, integers) => {
      const statement = database.prepare(sql, integers);
      return {
        run: (parameters) => statement.run(parameters),
        get: (parameters) => statement.get(parameters),
        all: (parameters) => {
          asked.push({ sql, parameters });
          return statement.all(parameters);
        },
      };
    },
  }));
}

describe('sqlite: reading', function () {
  this.timeout(120_000);

  const asked: Asked[] = [];
  let fresh: Store;
  let store: SqliteStore;
  let events: StoredEvent[];

  before(async () => {
    fresh = freshStore({});
    const path = pathOf(fresh);
    const driver = listening(asked);
    store = new SqliteStore(path, parseOptions(path, {}), () => driver);
    await store.open();
    const given = Array.from({ length: EVENTS }, (_, n) => numbered(n));
    for (let at = 0; at < EVENTS; at += 1_000) await store.append(given.slice(at, at + 1_000));
    await store.close();
    // The path is new to the file: its index is made of what is there.
    store = new SqliteStore(path, parseOptions(path, { index: ['payload.lane', 'source'] }), () => driver);
    await store.open();
    await store.idle();
    events = [];
    for await (const event of store.read()) events.push(event);
  });

  after(async () => {
    await store.close();
    cleanUp(fresh);
  });

  /** How SQLite carries out what a page asked. */
  async function plansOf(
    query: Partial<PageQuery>,
  ): Promise<{ page: Awaited<ReturnType<Store['page']>>; plans: string }> {
    asked.length = 0;
    const page = await store.page({ ...PAGE, ...query });
    const statements = asked.filter(({ sql }) => sql.startsWith('SELECT'));
    const database = loadDriver().open(pathOf(fresh));
    try {
      const rows = statements.flatMap(({ sql, parameters }) =>
        database.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(parameters),
      );
      return { page, plans: rows.map((row) => row['detail']).join('\n') };
    } finally {
      database.close();
    }
  }

  const cases: readonly (readonly [what: string, query: Partial<PageQuery>, index: string, plan: RegExp])[] = [
    ['ids', { ids: ['read-10'] }, 'id', /telltale_events_id \(id=\? AND rowid>\? AND rowid<\?\)/],
    ['an entity', { entity: 'task/7' }, 'entity', /telltale_events_entity \(entity=\? AND rowid>\? AND rowid<\?\)/],
    [
      'a timeline',
      { correlationId: 'c-300' },
      'correlationId',
      /telltale_events_correlation \(correlation_id=\? AND rowid>/,
    ],
    ['effects', { causationId: 'cause-9' }, 'causationId', /telltale_events_causation \(causation_id=\? AND rowid>/],
    ['a type', { types: ['token'] }, 'type', /telltale_events_type \(type=\? AND rowid>\? AND rowid<\?\)/],
    ['types', { types: ['token', 'task.done'] }, 'type', /telltale_events_type \(type=\? AND rowid>/],
    [
      'a span of time',
      { time: { from: 1_000_100, to: 1_000_900 } },
      'time',
      /telltale_events_time \(time>\? AND time<\?\)/,
    ],
    ['a kind', { entityKind: 'rare' }, 'entity', /telltale_events_entity \(entity>\? AND entity<\?\)/],
    [
      'a request',
      { where: { 'metadata.requestId': 'r-5' } },
      'metadata.requestId',
      /telltale_keys USING PRIMARY KEY \(path=\? AND key=\? AND position>/,
    ],
    [
      'a path of `index`',
      { where: { 'payload.lane': { $in: ['l-3', 'l-4'] } } },
      'payload.lane',
      /telltale_keys USING PRIMARY KEY \(path=\? AND key=\? AND position>/,
    ],
    ['a source of `index`', { where: { source: 'source-3' } }, 'source', /telltale_keys USING PRIMARY KEY/],
  ];
  for (const [what, query, index, plan] of cases) {
    it(`finds ${what} with an index, and scans nothing`, async () => {
      for (const descending of [false, true]) {
        const { page, plans } = await plansOf({ ...query, descending });
        expect(page.index).to.equal(index);
        expect(page.events.length).to.be.greaterThan(0);
        expect(plans).to.match(plan);
        expect(plans).not.to.match(/SCAN telltale/);
      }
    });
  }

  it('control: a path without an index is found in windows of the log', async () => {
    const { page, plans } = await plansOf({ where: { 'payload.n': 5_500 } });
    expect(page.index).to.equal(undefined);
    expect(plans).to.match(/SEARCH telltale_events USING INTEGER PRIMARY KEY \(rowid>\? AND rowid<\?\)/);
  });

  it('finds a span of time at the far end of a long log without looking through all of it', async () => {
    const before = await store.head();
    const late = Array.from({ length: 22_000 }, (_, n) => buildEvent({ id: `late-${n}`, time: 9_000_000 + n }));
    for (let at = 0; at < late.length; at += 1_000) await store.append(late.slice(at, at + 1_000));
    const time = { from: 9_000_000 };
    asked.length = 0;
    const forward = await store.page({ ...PAGE, limit: 3, time });
    expect(forward.events.map(({ id }) => id)).to.deep.equal(['late-0', 'late-1', 'late-2']);
    const begins = asked.filter(({ sql }) => sql.includes('NOT INDEXED')).map(({ parameters }) => parameters[0]);
    expect(begins, 'it looks at the start, and then where the span begins').to.deep.equal([0, before.position]);
    const early = await store.page({ ...PAGE, limit: 3, time: { to: 8_999_999 }, types: ['token'], descending: true });
    expect(early.events[0]!.position).to.equal(EVENTS);
    await store.remove([{ from: before.position + 1, to: before.position + late.length }], 'late');
  });

  it('asks the database for what a filter says of the envelope', async () => {
    await plansOf({ where: { $or: [{ type: 'agent.*' }, { entity: 'rare/1' }], position: { $gt: 5_000 } } });
    const { sql } = asked.find((statement) => statement.sql.includes('NOT INDEXED'))!;
    expect(sql)
      .to.match(/type >= \? AND type < \?/)
      .and.match(/ OR /);
    expect(sql).not.to.match(/agent|rare/);
  });

  it('answers any filter as one that looks at every event does', async () => {
    const text = fc.constantFrom(
      'task.created',
      'token',
      'agent.*',
      'task.**',
      'task/7',
      'rare/*',
      'c-3',
      'source-3',
      'zz',
    );
    const value = fc.oneof(text, fc.constantFrom(5, 2.5, 1, 1_000_105, 1_050_000, true, null));
    const leaf = fc
      .tuple(
        fc.constantFrom(
          'type',
          'entity',
          'source',
          'correlationId',
          'causationId',
          'time',
          'position',
          'payload.lane',
          'payload.n',
          'payload.half',
          'payload.deep.flag',
          'metadata.requestId',
          'revision',
        ),
        fc.constantFrom('$eq', '$ne', '$in', '$nin', '$gt', '$gte', '$lt', '$lte', '$exists'),
        fc.array(value, { minLength: 1, maxLength: 3 }),
      )
      .map(([path, operator, values]): Filter => {
        const list = operator === '$in' || operator === '$nin';
        const operand = operator === '$exists' ? values.length > 1 : list ? values : values[0];
        return { [path]: { [operator]: operand } };
      });
    const { filter } = fc.letrec<{ filter: Filter }>((tie) => ({
      filter: fc.oneof(
        { maxDepth: 3, withCrossShrink: true },
        leaf,
        fc.array(tie('filter'), { maxLength: 3 }).map((all): Filter => ({ $and: all })),
        fc.array(tie('filter'), { minLength: 1, maxLength: 3 }).map((any): Filter => ({ $or: any })),
        tie('filter').map((not): Filter => ({ $not: not })),
      ),
    }));
    await fc.assert(
      fc.asyncProperty(filter, fc.boolean(), async (where, descending) => {
        let matches: (event: StoredEvent) => boolean;
        try {
          matches = compileFilter(where);
        } catch {
          return;
        }
        const found: number[] = [];
        for await (const { position } of store.read({ where, descending, through: 800, limit: 100 }))
          found.push(position);
        const wanted = events
          .filter((event) => event.position <= 800 && matches(event))
          .map(({ position }) => position);
        expect(descending ? found.toReversed() : found).to.deep.equal(wanted);
      }),
      { numRuns: 150 },
    );
  });

  it('never holds the event loop long, whatever the filter looks through', async () => {
    const held = await leastHoldMs(async () => {
      for (const where of [{ 'payload.n': -1 }, { type: 'nothing.**' }, { $not: { type: 'task.done' } }] as Filter[])
        for await (const _ of store.read({ where }));
    }, PROMISED_HOLD_MS);
    expect(held).to.be.lessThan(PROMISED_HOLD_MS);
  });
});

function numbered(n: number): ReturnType<typeof buildEvent> {
  return buildEvent({
    id: `read-${n}`,
    type: ['task.created', 'task.done', 'agent.started', 'token'][n % 4]!,
    source: `source-${n % 7}`,
    entity: n % 3 === 0 ? undefined : `${n % 500 === 1 ? 'rare' : 'task'}/${n % 50}`,
    time: 1_000_000 + n * 10 + ((n * 7) % 13),
    correlationId: `c-${n >> 3}`,
    causationId: n % 8 === 0 ? undefined : `cause-${n >> 1}`,
    payload: { n, half: n / 2, lane: `l-${n % 900}`, deep: { flag: n % 2 === 0 } },
    metadata: n % 5 === 0 ? { requestId: `r-${n % 40}` } : {},
  });
}
