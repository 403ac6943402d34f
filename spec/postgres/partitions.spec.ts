import { expect } from 'chai';
import pg from 'pg';
import type { PostgresStore } from '../../plugins/postgres/index.ts';
import { buildEvent, buildEvents } from '../support/event-builder.ts';
import { TelltaleError } from '../../lib/plugin.ts';
import { Connections } from '../../plugins/postgres/connections.ts';
import { Names } from '../../plugins/postgres/names.ts';
import { Partitions } from '../../plugins/postgres/partitions.ts';
import { ask } from '../support/postgres-server.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { storesOfSuite } from './stores.ts';

describe('postgres: partitions', function () {
  this.timeout(120_000);
  const stores = storesOfSuite();
  let store: PostgresStore;

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

  it('are told of once more behind the commit that attaches them, for backends that have missed it', async () => {
    const versions = (): Promise<object[]> =>
      ask(
        stores.server,
        `SELECT (SELECT xmin FROM pg_attribute WHERE attrelid = $1::regclass AND attname = 'position')::text::bigint >
           (SELECT max(xmin::text::bigint) FROM pg_inherits WHERE inhparent = $1::regclass) AS later`,
        [`${stores.schemaOf(store)}.events`],
      );
    await store.append(buildEvents(950));
    await store.close();
    expect(await versions()).to.deep.equal([{ later: true }]);
    await store.open();
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

  interface Watched {
    readonly other: PostgresStore;
    /** By connection. */
    readonly asked: readonly (readonly string[])[];
    readonly end: () => Promise<void>;
  }

  /** What another store over the log asks, each statement as `change` makes it. */
  async function watched(change: (text: string) => string | Promise<string>): Promise<Watched> {
    const asked: string[][] = [];
    const pool = new pg.Pool({ connectionString: stores.server.url });
    pool.on('connect', (client) => {
      const texts: string[] = [];
      asked.push(texts);
      const query = client.query.bind(client) as (config: pg.QueryConfig) => Promise<pg.QueryResult>;
      client.query = (async (config: pg.QueryConfig) => {
        texts.push(config.text);
        return query({ ...config, text: await change(config.text) });
      }) as unknown as typeof client.query;
    });
    const other = stores.again(store, { pool });
    await other.open();
    return { other, asked, end: async () => (await other.close(), pool.end()) };
  }

  it('are held for no more than the drop: what is kept of their events is written before', async () => {
    await store.append(Array.from({ length: 150 }, (_, n) => buildEvent({ entity: `task/${n}` })));
    const { other, asked, end } = await watched((text) => text);
    expect(await other.remove([{ from: 1, to: 100 }], 'spec')).to.equal(100);
    const texts = asked.find((some) => some.some((text) => text.startsWith('LOCK TABLE')))!;
    const locked = texts.findIndex((text) => text.startsWith('LOCK TABLE'));
    expect(texts[locked + 1]).to.match(/^DROP TABLE/);
    expect(texts[locked + 2]).to.equal('COMMIT');
    const kept = `SELECT count(entity)::int, max(position)::int FROM ${stores.schemaOf(store)}.event_ids WHERE entity <> ''`;
    expect(await ask(stores.server, kept)).to.deep.equal([{ count: 100, max: 100 }]);
    await end();
  });

  it('lose their events step by step where the drop takes too long', async () => {
    await store.append(buildEvents(150));
    const slow = 'SET LOCAL statement_timeout = 1; SELECT pg_sleep(60)';
    const { other, end } = await watched((text) => (text.startsWith('DROP TABLE') ? slow : text));
    expect(await other.remove([{ from: 1, to: 100 }], 'spec')).to.equal(100);
    expect(await partitions()).to.include(1);
    expect((await store.size()).events).to.equal(50);
    await end();
  });

  it('count each event once where another store removes one between the steps', async () => {
    await store.append(buildEvents(150));
    let isCounted = false;
    let removing: Promise<number> | undefined;
    const { other, end } = await watched(async (text) => {
      isCounted ||= text.startsWith('SELECT count(*)');
      if (isCounted && text.startsWith('BEGIN')) await (removing ??= store.remove([{ from: 50, to: 50 }], 'other'));
      return text;
    });
    const count = await other.remove([{ from: 1, to: 100 }], 'spec');
    expect(count + (await removing!)).to.equal(100);
    expect((await store.removed()).map(({ from, to }) => [from, to])).to.deep.equal([
      [1, 49],
      [50, 50],
      [51, 100],
    ]);
    await end();
  });

  it('are counted on when their transaction is committed, and not before', async () => {
    const connections = new Connections({ url: stores.server.url }, 2, 20_000);
    await connections.open();
    const ends: (() => Promise<void>)[] = [];
    // Carried out, and then what comes of it.
    const transaction: Connections['transaction'] = (work) =>
      connections.transaction(async (...given) => {
        const result = await work(...given);
        await ends.shift()?.();
        return result;
      });
    const query: Connections['query'] = (...given) => connections.query(...given);
    const faulty = { transaction, query } as unknown as Connections;
    const made = new Partitions(faulty, new Names(stores.schemaOf(store), ''), 100);
    ends.push(() => Promise.reject(new TelltaleError('STORE_UNAVAILABLE', 'the spec')));
    expect((await rejectionOf(made.upTo(150))).code).to.equal('STORE_UNAVAILABLE');
    await made.upTo(150);
    expect(await partitions()).to.deep.equal([1, 101]);
    // Whoever found none asks while one is made ahead, and is not there yet.
    const asking = new Promise<number[]>((resolve) => {
      ends.push(() => {
        resolve(made.upTo(250, { anew: true }).then(partitions));
        return Promise.resolve();
      });
    });
    made.reached(160);
    expect(await asking).to.deep.equal([1, 101, 201]);
    await made.idle();
    await connections.close();
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

  it('are made for all that is taken over, also more than one transaction makes', async () => {
    const from = Array.from({ length: 70 }, (_, i) => i * 100 + 1);
    const events = from.map((position) => ({ ...buildEvent(), position, revision: 0, storedAt: 1 }));
    const removed = from.map((position) => ({ from: position + 1, to: position + 99, reason: 'spec', at: 1 }));
    await store.takeOver({ from: 1, to: 7_000, storedAt: 1, events, removed, tombstones: [] });
    expect(await partitions()).to.have.members(from);
  });

  it('are made where they lack, also before those of a stretch of another log that was refused', async () => {
    const { other, end } = await watched(async (text) => {
      if (text.endsWith('FOR UPDATE')) await store.append([buildEvent()]);
      return text;
    });
    const removed = { from: 1, to: 100_000, reason: 'spec', at: 1 };
    const event = { ...buildEvent(), position: 100_001, revision: 0, storedAt: 1 };
    const slice = { from: 1, to: 100_001, storedAt: 1, events: [event], removed: [removed], tombstones: [] };
    expect((await rejectionOf(other.takeOver(slice))).code).to.equal('IMPORT_REFUSED');
    expect(await partitions()).to.deep.equal([1, 100_001]);
    expect((await store.append(buildEvents(350))).position).to.equal(2);
    expect((await store.size()).events).to.equal(351);
    await end();
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
