import { expect } from 'chai';
import pg from 'pg';
import type { PostgresStore } from '../../plugins/postgres/index.ts';
import { buildEvent, buildEvents } from '../support/event-builder.ts';
import { ask } from '../support/postgres-server.ts';
import { Stores } from './stores.ts';

const stores = new Stores();

describe('postgres: partitions', function () {
  this.timeout(120_000);
  let store: PostgresStore;

  before(async function () {
    await stores.begin(this);
  });

  beforeEach(async () => {
    store = stores.create({ partitionEvents: 100 });
    await store.open();
  });

  afterEach(async () => {
    await store.close();
    await stores.cleanUp(store);
  });

  async function partitions(): Promise<number[]> {
    const rows = await ask<{ relname: string }>(
      stores.server,
      `SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = $1::regclass AND c.relkind = 'r'`,
      [`${stores.schemaOf(store)}.events`],
    );
    return rows.map(({ relname }) => Number(relname.slice('events_'.length))).toSorted((a, b) => a - b);
  }

  it('are made as the log grows, also by an append larger than all that is ready', async () => {
    expect(await partitions()).to.deep.equal([1]);
    await store.append(buildEvents(950));
    expect((await partitions()).filter((from) => from <= 950).length).to.equal(10);
    expect((await store.size()).events).to.equal(950);
  });

  it('are dropped as a whole when nothing of them stays, and the rest goes event by event', async () => {
    await store.append(buildEvents(350, { entity: 'task/a' }));
    const before = await partitions();
    expect(await store.remove([{ from: 50, to: 320 }], 'spec')).to.equal(271);
    expect(await partitions()).to.deep.equal(before.filter((from) => from !== 101 && from !== 201));
    expect(await store.removed()).to.have.length(1);
    expect((await store.removed())[0]).to.include({ from: 50, to: 320, reason: 'spec' });
    // The first half of a partition went before: it is empty with the second.
    expect(await store.remove([{ from: 1, to: 49 }], 'spec')).to.equal(49);
    expect(await partitions()).to.deep.equal(before.filter((from) => from > 201));
    expect((await store.size()).events).to.equal(30);
  });

  it('leave positions and revisions going on after everything was removed', async () => {
    const events = buildEvents(250, { entity: 'task/a' });
    await store.append(events);
    expect(await store.remove([{ from: 1, to: Infinity }], 'spec')).to.equal(250);
    await store.close();
    const again = stores.again(store);
    await again.open();
    const receipt = await again.append([buildEvent({ entity: 'task/a' })]);
    expect([receipt.position, receipt.revisions]).to.deep.equal([251, [251]]);
    expect((await again.append([events[120]!])).duplicate).to.equal(true);
    await again.close();
  });

  it('are not waited for: events go one by one where a reader keeps a partition', async () => {
    await store.append(buildEvents(250));
    const reader = new pg.Client({ connectionString: stores.server.url });
    await reader.connect();
    await reader.query('BEGIN');
    await reader.query(`SELECT count(*) FROM ${stores.schemaOf(store)}.events_1`);
    expect(await store.remove([{ from: 1, to: 100 }], 'spec')).to.equal(100);
    expect(await partitions()).to.include(1);
    await reader.query('COMMIT');
    await reader.end();
    const left: number[] = [];
    for await (const { position } of store.read()) left.push(position);
    expect(left).to.deep.equal(Array.from({ length: 150 }, (_, n) => n + 101));
  });

  it('are left alone where they are empty already and lie between two ranges', async () => {
    await store.append(buildEvents(350));
    const reader = new pg.Client({ connectionString: stores.server.url });
    await reader.connect();
    await reader.query('BEGIN');
    await reader.query(`SELECT count(*) FROM ${stores.schemaOf(store)}.events_101`);
    expect(await store.remove([{ from: 101, to: 200 }], 'spec')).to.equal(100);
    await reader.query('COMMIT');
    await reader.end();
    const ranges = [
      { from: 1, to: 50 },
      { from: 251, to: 260 },
    ];
    expect(await store.remove(ranges, 'spec')).to.equal(60);
    expect(await partitions()).to.include(101);
  });

  it('are made for the events that are taken over, and none for what was removed from the other log', async () => {
    const removed = { from: 1, to: 1_000_000, reason: 'spec', at: 1 };
    await store.takeOver({ from: 1, to: removed.to, storedAt: 1, events: [], removed: [removed], tombstones: [] });
    expect(await partitions()).to.deep.equal([1]);
    expect((await store.append([buildEvent()])).position).to.equal(1_000_001);
    expect((await partitions()).length).to.be.at.most(3);
  });

  it('are made for decided commits as well, on a pool of one connection', async () => {
    const pool = new pg.Pool({ connectionString: stores.server.url, max: 1 });
    const single = stores.create({ pool, partitionEvents: 8, timeout: '20s' });
    await single.open();
    const expectation = { expect: { query: { type: 'task.never' }, after: 0 } };
    for (let n = 0; n < 10; n++) await single.append(buildEvents(7), expectation);
    expect(await single.head()).to.include({ position: 70 });
    await single.close();
    await stores.cleanUp(single);
    await pool.end();
  });

  it('are removed by two stores at once, each event counted once', async () => {
    await store.append(buildEvents(300));
    const other = stores.again(store);
    await other.open();
    const counts = await Promise.all([store, other].map((one) => one.remove([{ from: 1, to: 290 }], 'spec')));
    expect(counts[0]! + counts[1]!).to.equal(290);
    const removed = await store.removed();
    expect(removed.reduce((sum, { from, to }) => sum + to - from + 1, 0)).to.equal(290);
    expect((await store.size()).events).to.equal(10);
    await other.close();
  });

  it('take the appends of others while whole ones are dropped', async () => {
    await store.append(buildEvents(1_000));
    const other = stores.again(store);
    await other.open();
    const [removed, ...receipts] = await Promise.all([
      store.remove([{ from: 1, to: 1_000 }], 'spec'),
      ...Array.from({ length: 200 }, () => other.append([buildEvent()])),
    ]);
    expect(removed).to.equal(1_000);
    expect(receipts.map(({ position }) => position)).to.deep.equal(Array.from({ length: 200 }, (_, n) => n + 1_001));
    await other.close();
  });
});
