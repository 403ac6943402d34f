import { expect } from 'chai';
import { withHints } from '../../lib/plugin.ts';
import type { PageQuery, StoredEvent } from '../../lib/plugin.ts';
import { Names } from '../../plugins/postgres/names.ts';
import type { PostgresStore } from '../../plugins/postgres/index.ts';
import { Reader } from '../../plugins/postgres/reader.ts';
import { buildEvent } from '../support/event-builder.ts';
import { ask } from '../support/postgres-server.ts';
import { Stores } from './stores.ts';

const stores = new Stores();
const EVENTS = 4_000;
const ALL = { after: 0, through: EVENTS, descending: false, limit: 100 };

function numbered(n: number): ReturnType<typeof buildEvent> {
  return buildEvent({
    id: `e-${n}`,
    type: n % 50 === 0 ? 'rare.happened' : 'often.happened',
    entity: `task/${n % 400}`,
    correlationId: `c-${Math.floor(n / 20)}`,
    ...(n % 7 === 0 && { causationId: `e-${n - 1}` }),
    time: 1_000 * n,
    payload: { lane: `l-${n % 300}`, deep: { n }, [`it's \\ "odd"`]: n % 500, list: [n] },
    metadata: n % 9 === 0 ? { conversationId: `talk-${n % 90}` } : {},
  });
}

const partitionsIn = (plan: string): string[] => [
  ...new Set([...plan.matchAll(/ on (events_\d+)/g)].map((match) => match[1]!)),
];

describe('postgres: reading', function () {
  this.timeout(120_000);
  const index = ['payload.lane', `payload.it's \\ "odd"`];
  let store: PostgresStore;
  let schema = '';

  before(async function () {
    await stores.begin(this);
    store = stores.create({ partitionEvents: 1_000, index, indexPayload: true });
    schema = stores.schemaOf(store);
    await store.open();
    for (let n = 1; n <= EVENTS; n += 1_000)
      await store.append(Array.from({ length: 1_000 }, (_, i) => numbered(n + i)));
    await ask(stores.server, `ANALYZE ${schema}.events`);
  });

  after(async () => {
    if (schema === '') return;
    await store.close();
    await stores.cleanUp(store);
  });

  /** The plan of the very statement that the page is read with. */
  async function planOf(query: Partial<PageQuery>, settings = ''): Promise<string> {
    const reader = new Reader({ names: new Names(schema, ''), index, indexPayload: true });
    const session = {
      query: async (text: string, values: readonly unknown[] = []) => {
        const rows = await ask<Record<string, string>>(stores.server, text, values);
        return { rows: rows.map((row) => Object.values(row)), rowCount: rows.length };
      },
    };
    const { text, values } = await reader.statement(session, { ...ALL, ...query });
    const url = new URL(stores.server.url);
    url.searchParams.set('options', settings);
    const rows = await ask<Record<string, string>>({ url: url.href }, `EXPLAIN ${text}`, values);
    return rows.map((row) => row['QUERY PLAN']).join('\n');
  }

  it('looks into no partition that cannot hold what is asked for', async () => {
    expect(partitionsIn(await planOf({}))).to.deep.equal(['events_1', 'events_1001', 'events_2001', 'events_3001']);
    expect(partitionsIn(await planOf({ after: 3_500 }))).to.deep.equal(['events_3001']);
    expect(partitionsIn(await planOf({ after: 999, through: 1_001 }))).to.deep.equal(['events_1', 'events_1001']);
    expect(partitionsIn(await planOf({ through: 10, descending: true }))).to.deep.equal(['events_1']);
    expect(partitionsIn(await planOf({ ids: ['e-2500'] }))).to.deep.equal(['events_2001']);
    expect(partitionsIn(await planOf({ types: ['rare.happened'], after: 3_000 }))).to.deep.equal(['events_3001']);
  });

  it('sorts nothing to answer a page in order', async () => {
    for (const descending of [false, true]) expect(await planOf({ descending })).to.not.include('Sort');
  });

  const asked: readonly (readonly [
    name: string,
    query: Partial<PageQuery>,
    planned: RegExp,
    matches: (n: number) => boolean,
  ])[] = [
    ['type', { types: ['rare.happened'] }, /type_position_idx/, (n) => n % 50 === 0],
    ['entity', { entity: 'task/7' }, /entity_position_idx/, (n) => n % 400 === 7],
    ['correlationId', { correlationId: 'c-3' }, /correlation_id_position_idx/, (n) => Math.floor(n / 20) === 3],
    ['causationId', { causationId: 'e-6' }, /causation_id_position_idx/, (n) => n === 7],
    ['time', { time: { from: 5_000, to: 7_000 } }, /time_idx/, (n) => n >= 5 && n <= 7],
    ['payload.lane', { where: { 'payload.lane': 'l-5' } }, /hashtextextended/, (n) => n % 300 === 5],
    [
      'payload.lane',
      { where: { 'payload.lane': { $in: ['l-5', 'l-6', 7] } } },
      /hashtextextended/,
      (n) => [5, 6].includes(n % 300),
    ],
    [`payload.it's \\ "odd"`, { where: { [`payload.it's \\ "odd"`]: 3 } }, /hashtextextended/, (n) => n % 500 === 3],
    [
      'metadata.conversationId',
      { where: { 'metadata.conversationId': 'talk-9' } },
      /hashtextextended/,
      (n) => n % 90 === 9,
    ],
  ];

  for (const [name, query, planned, matches] of asked) {
    it(`answers ${JSON.stringify(query)} from an index`, async () => {
      const hints = withHints(query);
      expect(await planOf(hints))
        .to.match(planned)
        .and.match(/Index/);
      const page = await store.page({ ...ALL, ...query });
      const numbers = Array.from({ length: EVENTS }, (_, i) => i + 1).filter(matches);
      expect(page.events.map(({ position }) => position)).to.deep.equal(numbers.slice(0, 100));
      expect(page.index).to.equal(name);
    });
  }

  it('finds any value at any path of the payload by the index over all of it', async () => {
    const where = { 'payload.deep.n': 1_234 };
    // So few events are as quickly read one by one.
    expect(await planOf(withHints({ where }), '-c enable_seqscan=off')).to.match(
      /Bitmap Index Scan on events_\d+_(?:payload|expr)/,
    );
    const page = await store.page({ ...ALL, where });
    expect([page.events.map(({ position }) => position), page.scanned]).to.deep.equal([[1_234], 1]);
  });

  it('finds what lies in a list, which no containment tells', async () => {
    const page = await store.page({ ...ALL, where: { 'payload.list.0': 17 } });
    expect(page.events.map(({ position }) => position)).to.deep.equal([17]);
  });

  it('reads hardly more than a page where PostgreSQL knows nothing of the log yet', async () => {
    const other = stores.create({});
    await other.open();
    await other.append(Array.from({ length: EVENTS }, (_, i) => numbered(i + 1)));
    await other.remove([{ from: 51, to: 150 }], 'test');
    const names = new Names(stores.schemaOf(other), '');
    const plans: string[] = [];
    const rowsOf = async (text: string, values: readonly unknown[] = []): Promise<string[][]> => {
      const rows = await ask<Record<string, string>>(stores.server, text, values);
      return rows.map((row) => Object.values(row));
    };
    const session = {
      async query(text: string, values: readonly unknown[] = []) {
        plans.push((await rowsOf(`EXPLAIN ANALYZE ${text}`, values)).join('\n'));
        const rows = await rowsOf(text, values);
        return { rows, rowCount: rows.length };
      },
    };
    const reader = new Reader({ names, index: [], indexPayload: false });
    for (const descending of [false, true]) {
      const page = await reader.page(session, { ...ALL, descending });
      expect(page.events.length).to.equal(100);
      const rows = plans.flatMap((plan) =>
        [...plan.matchAll(/actual [^)]*rows=(\d+)/g)].map((match) => Number(match[1])),
      );
      expect(Math.max(...rows)).to.be.at.most(8 * 100);
    }
    const positions = (await reader.page(session, ALL)).events.map(({ position }) => position);
    expect([positions[49], positions[50], positions[99]]).to.deep.equal([50, 151, 200]);
    await other.close();
    await stores.cleanUp(other);
  });

  it('stores what is too large for any index', async () => {
    const other = stores.create({ index: ['payload.lane'], indexPayload: true });
    await other.open();
    const lane = 'ä'.repeat(100_000);
    await other.append([buildEvent({ payload: { lane } })]);
    const found: StoredEvent[] = [];
    for await (const event of other.read({ where: { 'payload.lane': lane } })) found.push(event);
    expect(found.length).to.equal(1);
    await other.close();
    await stores.cleanUp(other);
  });
});
