import { expect } from 'chai';
import pg from 'pg';
import { createBus, memory, type Bus, type StoredEvent } from '../../lib/index.ts';
import type { Store } from '../../lib/plugin.ts';
import { postgresTarget } from '../../plugins/postgres/index.ts';
import type { PgPool, PostgresTarget, PostgresTransaction } from '../../plugins/postgres/index.ts';
import { ask, dropSchema, schemaName } from '../support/postgres-server.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { refuseUnhandledRejections } from '../support/unhandled.ts';
import { Stores } from './stores.ts';

const upTo = (last: number): readonly number[] => Array.from({ length: last }, (_, i) => i + 1);

type Query = (query: { readonly text: string }) => Promise<unknown>;

/** A pool of connections that break at some of their commits, before the server is told or before it can say so. */
function breakingPool(url: string, fate: (commit: number) => 'before' | 'after' | undefined): PgPool & pg.Pool {
  const pool = new pg.Pool({ connectionString: url, max: 3 });
  let commits = 0;
  pool.on('connect', (client) => {
    const query = client.query.bind(client) as unknown as Query;
    const breaking: Query = async (given) => {
      const breaks = given.text === 'COMMIT' ? fate(++commits) : undefined;
      if (breaks === 'before') throw new Error('Connection terminated unexpectedly');
      const answer = await query(given);
      if (breaks === 'after') throw new Error('Connection terminated unexpectedly');
      return answer;
    };
    Object.assign(client, { query: breaking });
  });
  return pool;
}

describe('postgresTarget whose connections break', function () {
  this.timeout(120_000);

  refuseUnhandledRejections();
  const stores = new Stores();
  let schema: string;
  let bus: Bus;

  before(async function () {
    await stores.begin(this);
  });
  beforeEach(() => (schema = schemaName()));
  afterEach(async () => {
    await bus.close();
    await dropSchema(stores.server, schema);
  });

  const setup = ({ run }: PostgresTransaction): Promise<number> =>
    run(`CREATE TABLE IF NOT EXISTS "${schema}".seen (serial bigserial, n int)`);
  const add = ({ payload }: StoredEvent, { tx }: { readonly tx: PostgresTransaction }): Promise<number> =>
    tx.run(`INSERT INTO "${schema}".seen (n) VALUES ($1)`, [payload]);
  const seen = async (): Promise<readonly number[]> =>
    (await ask<{ n: number }>(stores.server, `SELECT n FROM "${schema}".seen ORDER BY serial`)).map(({ n }) => n);

  async function open(store: Store): Promise<Bus> {
    bus = await createBus({ store });
    for (const type of ['$bus.handler.failed', '$bus.consumer.**', '$bus.store.failed']) bus.on(type, () => undefined);
    return bus;
  }

  it('runs nothing twice that was committed though nobody heard of it, and everything that was not', async () => {
    const fates = [undefined, 'after', 'before', 'after', 'after', undefined, 'before'] as const;
    // The first one makes the tables.
    const pool = breakingPool(stores.server.url, (n) => (n === 1 ? undefined : fates[n % fates.length]));
    const target = postgresTarget({ pool, schema, setup });
    await open(memory());
    const consumer = bus.consume('views', 'a', add, { checkpointIn: target });
    for (const n of upTo(21)) await bus.publish('a', n);
    await consumer.caughtUp();
    expect(await seen()).to.deep.equal(upTo(21));
    expect(await bus.deadLetters.list()).to.deep.equal([]);
    await consumer.stop();
    await target.close();
    await pool.end();
  });

  it('counts a dead letter once, though nobody heard that it was committed', async () => {
    const bad = { isBad: true, isDeaf: false };
    const pool = breakingPool(stores.server.url, () => {
      const fate = bad.isDeaf ? 'after' : undefined;
      bad.isDeaf = false;
      return fate;
    });
    const target = postgresTarget({ pool, schema, setup });
    await open(memory());
    const handler: typeof add = async (event, context) => {
      await add(event, context);
      if (bad.isBad && event.payload === 2) throw new Error('not yet');
      return 1;
    };
    const consumer = bus.consume('views', 'a', handler, { checkpointIn: target, retry: false });
    for (const n of upTo(3)) await bus.publish('a', n);
    await consumer.caughtUp();
    Object.assign(bad, { isBad: false, isDeaf: true });
    expect(await bus.deadLetters.retry({})).to.include({ closed: 1, failed: 0 });
    expect([bad.isDeaf, await seen()]).to.deep.equal([false, [1, 3, 2]]);
    await consumer.stop();
    await target.close();
    await pool.end();
  });

  it('pauses when it has tried for long enough, and repeats nothing when it goes on', async () => {
    let isAway = false;
    let commits = 0;
    const pool = breakingPool(stores.server.url, () => (++commits > 2 && isAway ? 'after' : undefined));
    const target = postgresTarget({ pool, schema, setup, retryFor: 0 });
    await open(memory());
    const consumer = bus.consume('views', 'a', add, { checkpointIn: target });
    await bus.publish('a', 1);
    await consumer.caughtUp();
    isAway = true;
    await bus.publish('a', 2);
    expect((await rejectionOf(consumer.caughtUp())).code).to.equal('TARGET_BROKEN');
    isAway = false;
    consumer.resume();
    await bus.publish('a', 3);
    await consumer.caughtUp();
    expect(await seen()).to.deep.equal([1, 2, 3]);
    expect(await bus.deadLetters.list()).to.deep.equal([]);
    await consumer.stop();
    await target.close();
    await pool.end();
  });

  for (const log of ['memory', 'postgres'] as const)
    it(`equals the fold of the log in ${log} where backends are terminated again and again`, async () => {
      const name = `telltale_victim_${process.pid}_${log}`;
      const connection = { connectionString: stores.server.url, application_name: name };
      const target: PostgresTarget = postgresTarget({ connection, schema, setup, poolSize: 2 });
      const store = log === 'memory' ? memory() : stores.create();
      await open(store);
      const events = 60;
      for (const n of upTo(events)) bus.emit('a', n);
      await bus.flush();
      const sql = 'SELECT count(pg_terminate_backend(pid))::int AS n FROM pg_stat_activity WHERE application_name = $1';
      let killed = 0;
      const kill = async (): Promise<void> => {
        const [row] = await ask<{ n: number }>(stores.server, sql, [name]);
        killed += row!.n;
      };
      const kills: Promise<void>[] = [];
      const due = new Set(upTo(events).filter((n) => n % 3 === 0));
      const consumer = bus.consume(
        'views',
        'a',
        async (event, context) => {
          await add(event, context);
          if (log === 'postgres') await context.publish('b', event.payload);
          if (!due.delete(event.payload as number)) return;
          // In the middle of a transaction, or somewhere near its commit.
          kills.push(kill());
          if (kills.length % 2 === 0) await kills.at(-1);
        },
        { checkpointIn: target },
      );
      await consumer.caughtUp();
      await Promise.all(kills);
      expect(await seen()).to.deep.equal(upTo(events));
      expect(killed, 'terminated').to.be.at.least(10);
      expect(await bus.deadLetters.list()).to.deep.equal([]);
      if (log === 'postgres') {
        const told = await bus.fold([] as unknown[], (all, { payload }) => [...all, payload], { pattern: 'b' });
        expect(told).to.deep.equal(upTo(events));
      }
      await consumer.stop();
      await target.close();
      await bus.close();
      if (log === 'postgres') await stores.cleanUp(store);
    });
});
