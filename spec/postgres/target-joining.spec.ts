import { expect } from 'chai';
import pg from 'pg';
import { createBus, type Bus, type StoredEvent } from '../../lib/index.ts';
import type { Store } from '../../lib/plugin.ts';
import { postgresTarget } from '../../plugins/postgres/index.ts';
import type { PostgresTarget, PostgresTransaction } from '../../plugins/postgres/index.ts';
import { ask, dropSchema, schemaName } from '../support/postgres-server.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { refuseUnhandledRejections } from '../support/unhandled.ts';
import { Stores } from './stores.ts';

describe('a publish in a handler of postgresTarget', function () {
  this.timeout(120_000);

  refuseUnhandledRejections();
  const stores = new Stores();
  let schema: string;
  let target: PostgresTarget;
  let store: Store;
  let bus: Bus;

  before(async function () {
    await stores.begin(this);
  });
  beforeEach(async () => {
    schema = schemaName();
    store = stores.create();
    bus = await createBus({ store });
    for (const type of ['$bus.handler.failed', '$bus.consumer.**', '$bus.publish.failed'])
      bus.on(type, () => undefined);
    target = targetAt(stores.server.url);
  });
  afterEach(async () => {
    await bus.close();
    await target.close();
    await stores.cleanUp(store);
    await dropSchema(stores.server, schema);
  });

  function targetAt(url: string): PostgresTarget {
    const setup = ({ run }: PostgresTransaction): Promise<number> =>
      run(`CREATE TABLE IF NOT EXISTS "${schema}".seen (n int, position bigint)`);
    return postgresTarget({ url, schema, setup, poolSize: 3 });
  }

  const add = ({ payload, position }: StoredEvent, { tx }: { readonly tx: PostgresTransaction }): Promise<number> =>
    tx.run(`INSERT INTO "${schema}".seen VALUES ($1, $2)`, [payload, position]);
  const seen = async (): Promise<readonly number[]> =>
    (await ask<{ n: number }>(stores.server, `SELECT n FROM "${schema}".seen ORDER BY position`)).map(({ n }) => n);
  const stored = async (): Promise<readonly string[]> =>
    (await bus.query({})).events.map(({ type, payload, position }) => `${position} ${type} ${JSON.stringify(payload)}`);

  it('is stored with what the handler writes, heard here and by other processes', async () => {
    const otherStore = stores.again(store);
    const other = await createBus({ store: otherStore });
    const heard: unknown[] = [];
    const told: unknown[] = [];
    bus.on('b', ({ payload, causationId }) => void heard.push([payload, causationId]));
    const far = other.consume('far', 'b', ({ payload, position }) => void told.push([payload, position]));
    await far.started;
    const arrived = other.once('b', { from: 1, timeout: 60_000 });
    const consumer = bus.consume(
      'views',
      'a',
      async (event, context) => {
        await add(event, context);
        const receipt = await context.publish('b', { of: event.payload });
        expect([receipt.position, receipt.durability]).to.deep.equal([0, 'pending']);
        await bus.batch().add('c', 1).add('c', 2).commit();
        // What waits for the store meanwhile does not wait for itself.
        await context.effect('count', () => 1);
      },
      { checkpointIn: target },
    );
    const { event } = await bus.publish('a', 1);
    await consumer.caughtUp();
    expect((await arrived).payload).to.deep.equal({ of: 1 });
    await far.caughtUp();
    expect(await seen()).to.deep.equal([1]);
    const own = (await stored()).filter((line) => !line.includes('$effect'));
    expect(own).to.deep.equal(['1 a 1', '3 b {"of":1}', '4 c 1', '5 c 2']);
    expect(heard).to.deep.equal([[{ of: 1 }, event.id]]);
    expect(told).to.deep.equal([[{ of: 1 }, 3]]);
    await other.close();
  });

  it('goes with all the rest where the handler fails, and where the log refuses it', async () => {
    const consumer = bus.consume(
      'views',
      'a',
      async (event, context) => {
        await add(event, context);
        await context.publish('b', context.attempt, { entity: 'e/1', expect: 'none' });
        if (context.attempt === 1) throw new Error('handler');
      },
      { checkpointIn: target, retry: { attempts: 2, delay: 1 } },
    );
    await bus.publish('a', 1);
    await bus.publish('a', 2);
    await consumer.caughtUp();
    expect(await seen()).to.deep.equal([1]);
    expect((await stored()).filter((line) => line.includes(' b '))).to.have.lengthOf(1);
    expect((await bus.deadLetters.list()).map(({ error }) => error.code)).to.deep.equal(['EXPECTATION_FAILED']);
  });

  it('fails the handler with what was refused before, not with what the server says of everything after it', async () => {
    const consumer = bus.consume(
      'views',
      'a',
      async (event, context) => {
        await add(event, context);
        await context.tx.run('SELECT nonsense').catch(() => undefined);
        if (event.payload === 1) await context.publish('b', 1);
        if (event.payload === 2) void context.publish('b', 2).catch(() => undefined);
        if (event.payload === 3) await add(event, context);
      },
      { checkpointIn: target, retry: false },
    );
    for (const n of [1, 2, 3]) await bus.publish('a', n);
    await consumer.caughtUp();
    const letters = await bus.deadLetters.list();
    expect(letters.map(({ error }) => error.code)).to.deep.equal(Array.from({ length: 3 }, () => 'HANDLER_FAILED'));
    for (const { error } of letters) expect(error.message).to.include('refused').and.to.include('"nonsense"');
    expect(await seen()).to.deep.equal([]);
  });

  for (const whose of ['that it shares with the log', 'of its own'] as const)
    it(`waits for no further connection of a pool ${whose} while transactions hold all of them`, async () => {
      const size = 2;
      const pool = new pg.Pool({ connectionString: stores.server.url, max: size });
      const log = stores.create({ ...(whose === 'of its own' ? {} : { pool }), partitionEvents: 60 });
      const quick = await createBus({ store: log });
      const full = postgresTarget({ pool, schema });
      let open = 0;
      let allOpen!: () => void;
      const areOpen = new Promise<void>((resolve) => (allOpen = resolve));
      for (let n = 1; n <= 20; n++) await quick.publish('a', { n });
      const consumer = quick.consume(
        'views',
        'a',
        async ({ payload }, { tx, publish }) => {
          await tx.run('SELECT 1');
          if (++open === size) allOpen();
          await areOpen;
          await publish('b', payload);
        },
        { checkpointIn: full, group: true, key: 'payload.n', retry: false },
      );
      await consumer.caughtUp();
      expect(await quick.deadLetters.list()).to.deep.equal([]);
      expect(await quick.count({ type: 'b' })).to.equal(20);
      expect(open).to.equal(20);
      await quick.close();
      await full.close();
      // Whoever had to make the partition that comes next would wait for a connection as well.
      const next = await pool.query('SELECT to_regclass($1) AS made', [`"${stores.schemaOf(log)}".events_61`]);
      expect(next.rows[0]).to.have.property('made').that.includes('events_61');
      await pool.end();
      await stores.cleanUp(log);
    });

  it('is refused where the target is in another database of the server', async () => {
    const name = `telltale_test_${process.pid}_${Date.now().toString(36)}`;
    await ask(stores.server, `CREATE DATABASE ${name}`);
    const elsewhere = new URL(stores.server.url);
    elsewhere.pathname = `/${name}`;
    const far = targetAt(elsewhere.href);
    try {
      const consumer = bus.consume(
        'views',
        'a',
        async (event, context) => {
          await add(event, context);
          await context.publish('b', 1).catch(() => undefined);
        },
        { checkpointIn: far, retry: false, onFailure: 'pause' },
      );
      await bus.publish('a', 1);
      expect((await rejectionOf(consumer.caughtUp())).code).to.equal('PUBLISH_IN_TRANSACTION');
      expect(await stored()).to.deep.equal(['1 a 1']);
      await consumer.stop();
    } finally {
      await far.close();
      await ask(stores.server, `DROP DATABASE ${name} WITH (FORCE)`);
    }
  });
});
