import { expect } from 'chai';
import pg from 'pg';
import { createBus } from '../../lib/index.ts';
import type { Bus } from '../../lib/index.ts';
import type { Store } from '../../lib/plugin.ts';
import type { PostgresOptions, PostgresStore } from '../../plugins/postgres/index.ts';
import { buildEvent } from '../support/event-builder.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { ask } from '../support/postgres-server.ts';
import { openSurely } from './fault-runs.ts';
import { Stores } from './stores.ts';

const stores = new Stores();
const UNSTORABLE = ['user\0input', '\ud800'];

describe('postgres: refusals', function () {
  this.timeout(60_000);
  const opened: Store[] = [];
  const buses: Bus[] = [];

  before(async function () {
    await stores.begin(this);
  });

  afterEach(async () => {
    await Promise.all(buses.splice(0).map((bus) => bus.close()));
    for (const store of opened.splice(0)) {
      await store.close();
      await stores.cleanUp(store);
    }
  });

  function made(options: PostgresOptions = {}): PostgresStore {
    const store = stores.create(options);
    opened.push(store);
    return store;
  }

  async function busOn(store: Store): Promise<Bus> {
    const bus = await createBus({ source: '\ufffd', store });
    buses.push(bus);
    return bus;
  }

  it('takes a condition with a text that no event can have for one that nothing meets', async () => {
    const bus = await busOn(made());
    for (const text of UNSTORABLE) {
      for (const query of [{ 'metadata.conversationId': text }, { entity: `order/${text}` }, { source: text }])
        await bus.publish('a.b', {}, { expect: { query, after: 0 } });
    }
    expect(await bus.count()).to.equal(6);
    expect(bus.health().status).to.equal('ok');
  });

  it('finds nothing by such a text, and everything by its opposite', async () => {
    const store = made({ indexPayload: true });
    const bus = await busOn(store);
    await bus.publish('a.b', { '\ufffd': '\ufffd' }, { id: '\ufffd', entity: 'order/\ufffd' });
    for (const text of UNSTORABLE) {
      expect((await store.find([text])).size).to.equal(0);
      expect(await store.revision(`order/${text}`)).to.equal(0);
      const page = await store.page({ ids: [text], after: 0, through: 1, descending: false, limit: 1 });
      expect(page.events).to.have.length(0);
      const fields = ['source', 'entity', 'id', 'type', 'correlationId', 'payload.\ufffd', 'metadata.conversationId'];
      for (const field of fields) {
        expect(await bus.count({ where: { [field]: text } }), field).to.equal(0);
        expect(await bus.count({ where: { [field]: { $in: [text] } } }), field).to.equal(0);
        expect(await bus.count({ where: { [field]: { $ne: text } } }), field).to.equal(1);
        expect(await bus.count({ where: { [field]: { $nin: [text] } } }), field).to.equal(1);
      }
      expect(await bus.count({ where: { [`payload.${text}`]: 1 } })).to.equal(0);
      expect((await rejectionOf(store.remove([{ from: 1, to: 1 }], text))).code).to.equal('INVALID_OPTION');
    }
  });

  it('stores every schema version that an event may have', async () => {
    const store = made();
    await store.open();
    for (const schemaVersion of [3e9, Number.MAX_SAFE_INTEGER]) {
      await store.append([buildEvent({ id: `v${schemaVersion}`, schemaVersion })]);
      const where = { schemaVersion };
      const page = await store.page({ where, after: 0, through: 9, descending: false, limit: 9 });
      expect(page.events.map((event) => event.schemaVersion)).to.deep.equal([schemaVersion]);
      await store.rewrite(page.events);
    }
  });

  it('keeps out only the event that the database does not take', async () => {
    const store = made();
    const bus = await busOn(store);
    await ask(stores.server, `ALTER TABLE ${stores.schemaOf(store)}.events ADD CHECK (type <> 'bad.one')`);
    const published = ['good.one', 'bad.one', 'good.two'].map((type) => bus.publish(type, {}));
    const [first, bad, second] = await Promise.allSettled(published);
    expect([first!.status, second!.status]).to.deep.equal(['fulfilled', 'fulfilled']);
    expect((bad as PromiseRejectedResult).reason).to.have.property('code', 'STORE_REFUSED');
    expect((await bus.query()).events.map(({ type }) => type)).to.deep.equal(['good.one', 'good.two']);
    expect(bus.health().status).to.equal('ok');
  });

  it('stops where the log is not what it was, instead of trying for ever', async () => {
    const store = made();
    await store.open();
    const schema = stores.schemaOf(store);
    await ask(stores.server, `ALTER FUNCTION ${schema}.append_1 RENAME TO append_none`);
    expect((await rejectionOf(store.append([buildEvent()]))).code).to.equal('STORE_FAILED');
    expect(store.health().status).to.equal('failed');
  });

  describe('through a pool that was given', () => {
    let pool: pg.Pool;

    before(() => {
      const url = new URL(stores.server.url);
      url.searchParams.set('options', '-c extra_float_digits=0');
      pool = new pg.Pool({ connectionString: url.href, max: 3 });
    });

    after(() => pool.end());

    const shared = (options: PostgresOptions = {}): PostgresStore => made({ ...options, pool: pool });

    it('reads times exactly, however the server rounds for others', async () => {
      const store = shared();
      await store.open();
      const time = 1_700_000_000_000.123;
      await store.append([buildEvent({ time })]);
      for await (const event of store.read()) expect(event.time).to.equal(time);
    });

    it('leaves nothing at the server that waits for what nobody waits for', async () => {
      const store = shared({ timeout: 2_000 });
      await openSurely(store);
      const schema = stores.schemaOf(store);
      const blocker = await pool.connect();
      try {
        await blocker.query(`BEGIN; SELECT 1 FROM ${schema}.counter FOR UPDATE`);
        expect((await rejectionOf(store.append([buildEvent()]))).code).to.equal('STORE_UNAVAILABLE');
        const waiting = `SELECT 1 FROM pg_stat_activity WHERE query LIKE '%${schema}%append%' AND wait_event_type = 'Lock'`;
        while ((await ask(stores.server, waiting)).length > 0);
      } finally {
        await blocker.query('ROLLBACK');
        blocker.release();
      }
    });

    it('listens to the pool once, however many stores share it', async () => {
      const before = pool.listenerCount('error');
      const many = Array.from({ length: 12 }, () => shared());
      for (const store of many) await store.open();
      expect(pool.listenerCount('error')).to.equal(before + 1);
      for (const store of many) await store.close();
      expect(pool.listenerCount('error')).to.equal(before);
    });
  });

  it('says at once that a pool has been ended', async () => {
    const pool = new pg.Pool({ connectionString: stores.server.url });
    await pool.end();
    expect((await rejectionOf(stores.create({ pool: pool }).open())).code).to.equal('INVALID_OPTION');
  });
});
