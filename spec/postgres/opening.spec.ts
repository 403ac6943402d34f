import { expect } from 'chai';
import pg from 'pg';
import { createBus } from '../../lib/index.ts';
import type { Store } from '../../lib/plugin.ts';
import { postgres } from '../../plugins/postgres/index.ts';
import { loadDriver } from '../../plugins/postgres/driver.ts';
import { buildEvent } from '../support/event-builder.ts';
import { ask, schemaName } from '../support/postgres-server.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { Stores } from './stores.ts';

const stores = new Stores();

async function tablesIn(schema: string): Promise<string[]> {
  const rows = await ask<{ relname: string }>(
    stores.server,
    `SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1`,
    [schema],
  );
  return rows.map(({ relname }) => relname);
}

async function codeOf(store: Store): Promise<string> {
  const { code } = await rejectionOf(store.open());
  expect(store.health().status).to.equal('closed');
  return code;
}

describe('postgres: opening', function () {
  this.timeout(120_000);

  before(async function () {
    await stores.begin(this);
  });

  afterEach(() => stores.dropSchemas());

  it('keeps the password of a wrong url to itself', () => {
    expect(() => postgres('mysql://me:secret@localhost/x'))
      .to.throw()
      .with.property('message')
      .that.does.not.include('secret');
  });

  it('takes the url from DATABASE_URL where none is given', async () => {
    const before = process.env['DATABASE_URL'];
    process.env['DATABASE_URL'] = stores.server.url;
    try {
      const store = postgres({ schema: stores.schema() });
      await store.open();
      await store.close();
    } finally {
      if (before === undefined) delete process.env['DATABASE_URL'];
      else process.env['DATABASE_URL'] = before;
    }
  });

  it('says what to install where the package pg is missing', async () => {
    const error = await rejectionOf(loadDriver(() => Promise.reject(new Error('not found'))));
    expect([error.code, error.message]).to.deep.equal([
      'NOT_SUPPORTED',
      'the PostgreSQL store needs the package pg: npm install pg',
    ]);
  });

  it('tells a server that is not there from one that does not let it in', async () => {
    const url = new URL(stores.server.url);
    const other = (change: (url: URL) => void): Store => {
      const changed = new URL(url);
      change(changed);
      return postgres({ url: changed.href, schema: schemaName(), timeout: '20s' });
    };
    expect(await codeOf(other((to) => (to.port = '1')))).to.equal('STORE_UNAVAILABLE');
    expect(await codeOf(other((to) => (to.hostname = 'nowhere.invalid')))).to.equal('STORE_UNAVAILABLE');
    expect(await codeOf(other((to) => (to.pathname = '/no_such_database')))).to.equal('STORE_ACCESS');
    expect(await codeOf(other((to) => (to.username = 'nobody_known')))).to.equal('STORE_ACCESS');
    expect(await codeOf(other((to) => (to.password = 'wrong')))).to.equal('STORE_ACCESS');
  });

  it('refuses the log of a newer version', async () => {
    const schema = stores.schema();
    const store = stores.create({ schema });
    await store.open();
    await store.append([buildEvent()]);
    await store.close();
    await ask(stores.server, `UPDATE ${schema}.meta SET version = 99`);
    expect(await codeOf(stores.create({ schema }))).to.equal('STORE_VERSION');
    await ask(stores.server, `UPDATE ${schema}.meta SET version = 1`);
    await store.open();
    expect((await store.head()).position).to.equal(1);
    await store.close();
  });

  it('refuses a log that has lost a table', async () => {
    const schema = stores.schema();
    const store = stores.create({ schema });
    await store.open();
    await store.close();
    await ask(stores.server, `DROP TABLE ${schema}.event_ids`);
    expect(await codeOf(stores.create({ schema }))).to.equal('STORE_CORRUPT');
  });

  it('makes one log where many open it at once', async () => {
    const schema = stores.schema();
    const opened = Array.from({ length: 8 }, () => stores.create({ schema, poolSize: 2 }));
    await Promise.all(opened.map((store) => store.open()));
    const receipts = await Promise.all(opened.map((store) => store.append([buildEvent()])));
    expect(receipts.map(({ position }) => position).toSorted((a, b) => a - b)).to.deep.equal([1, 2, 3, 4, 5, 6, 7, 8]);
    await Promise.all(opened.map((store) => store.close()));
  });

  it('makes an index of a path when it is asked for later, and drops that of the payload when it is told to', async () => {
    const schema = stores.schema();
    const plain = stores.create({ schema });
    await plain.open();
    await plain.append([buildEvent({ payload: { lane: 'a' } })]);
    await plain.close();
    const count = (await tablesIn(schema)).length;
    const indexed = stores.create({ schema, index: ['payload.lane'], indexPayload: true });
    await indexed.open();
    await indexed.idle();
    const page = await indexed.page({
      after: 0,
      through: 1,
      descending: false,
      limit: 1,
      where: { 'payload.lane': 'a' },
    });
    expect([page.events.length, page.index]).to.deep.equal([1, 'payload.lane']);
    await indexed.close();
    expect((await tablesIn(schema)).length).to.be.greaterThan(count);
    for (const [options, left] of [
      [{}, ['events_payload']],
      [{ indexPayload: false }, []],
    ] as const) {
      const again = stores.create({ schema, ...options });
      await again.open();
      expect((await tablesIn(schema)).filter((name) => name === 'events_payload')).to.deep.equal(left);
      await again.close();
    }
  });

  it('serves several buses on one pool, and leaves the pool to its owner', async () => {
    const pool = new pg.Pool({ connectionString: stores.server.url, max: 3 });
    const buses = await Promise.all(
      ['a', 'b', 'c'].map((source) => createBus({ source, store: postgres({ pool, schema: stores.schema() }) })),
    );
    const receipts = await Promise.all(buses.map((bus) => bus.publish('task.created', { title: 'x' })));
    expect(receipts.map(({ position, durability }) => [position, durability])).to.deep.equal(
      Array.from({ length: 3 }, () => [1, 'disk']),
    );
    await Promise.all(buses.map((bus) => bus.close()));
    expect((await pool.query('SELECT 1 AS one')).rows).to.deep.equal([{ one: 1 }]);
    expect(pool.listenerCount('error')).to.equal(0);
    await pool.end();
  });

  it('serves two buses with one log on one pool, and tells in their health how it is doing', async () => {
    const pool = new pg.Pool({ connectionString: stores.server.url, max: 3 });
    const schema = stores.schema();
    const places = [{ schema }, { schema }, { schema, tablePrefix: 'other_' }];
    const buses = await Promise.all(places.map((place) => createBus({ store: postgres({ ...place, pool }) })));
    expect((await buses[0]!.publish('task.created', 1)).position).to.equal(1);
    expect((await buses[2]!.publish('task.created', 2)).position).to.equal(1);
    const held = await Promise.all([pool.connect(), pool.connect(), pool.connect()]);
    const asked = Promise.all(buses.map((bus) => bus.count()));
    for (const bus of buses) expect(bus.health().connections).to.include({ open: 3, idle: 0 });
    for (const client of held) client.release();
    expect(await asked).to.deep.equal([1, 1, 1]);
    await Promise.all(buses.map((bus) => bus.close()));
    await pool.end();
  });

  it('says in its health how its pool is doing', async () => {
    const store = stores.create({ schema: stores.schema() });
    await store.open();
    await Promise.all([store.head(), store.head(), store.head()]);
    const { open, idle, waiting } = store.health().connections!;
    expect([open >= 2, idle <= open, waiting]).to.deep.equal([true, true, 0]);
    await store.close();
    expect(store.health().connections).to.deep.equal({ open: 0, idle: 0, waiting: 0 });
  });
});
