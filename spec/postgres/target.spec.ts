import { expect } from 'chai';
import pg from 'pg';
import { createBus, memory, type Bus, type StoredEvent } from '../../lib/index.ts';
import type { Store } from '../../lib/plugin.ts';
import { postgresTarget } from '../../plugins/postgres/index.ts';
import type { PostgresTarget, PostgresTargetOptions, PostgresTransaction } from '../../plugins/postgres/index.ts';
import { codeOf } from '../support/code-of.ts';
import { ask, dropSchema, schemaName } from '../support/postgres-server.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { refuseUnhandledRejections } from '../support/unhandled.ts';
import { Stores } from './stores.ts';

const quiet = (bus: Bus): Bus => {
  for (const type of ['$bus.handler.failed', '$bus.consumer.**', '$bus.publish.failed']) bus.on(type, () => undefined);
  return bus;
};

const publish = async (bus: Bus, from: number, to: number): Promise<void> => {
  for (let n = from; n <= to; n++) await bus.publish('a', n, { entity: `n/${n % 7}` });
};

const upTo = (last: number): readonly number[] => Array.from({ length: last }, (_, i) => i + 1);

type Handler = (event: StoredEvent, context: { readonly tx: PostgresTransaction }) => Promise<unknown>;

describe('postgresTarget', function () {
  this.timeout(120_000);

  refuseUnhandledRejections();
  const stores = new Stores();
  const targets: PostgresTarget[] = [];
  let schema: string;
  let bus: Bus;
  let store: Store;

  before(async function () {
    await stores.begin(this);
  });
  beforeEach(async () => {
    schema = schemaName();
    store = memory();
    bus = quiet(await createBus({ store }));
  });
  afterEach(async () => {
    await bus.close();
    for (const target of targets.splice(0)) await target.close();
    await dropSchema(stores.server, schema);
  });

  const setup = async ({ run }: PostgresTransaction): Promise<void> => {
    await run(`CREATE TABLE IF NOT EXISTS "${schema}".seen (n int NOT NULL UNIQUE DEFERRABLE, position bigint)`);
  };
  const add: Handler = ({ payload, position }, { tx }) =>
    tx.run(`INSERT INTO "${schema}".seen VALUES ($1, $2)`, [payload, position]);
  const onReset = ({ run }: PostgresTransaction): Promise<number> => run(`DELETE FROM "${schema}".seen`);

  function createTarget(options: PostgresTargetOptions = {}): PostgresTarget {
    const place = options.pool || options.url ? {} : { url: stores.server.url };
    const target = postgresTarget({ ...place, schema, setup, ...options });
    targets.push(target);
    return target;
  }

  const failing: Handler = async (event, context) => {
    await add(event, context);
    if (event.payload === 2) throw new Error('handler');
    if (event.payload === 3) await context.tx.run('SET CONSTRAINTS ALL DEFERRED');
    if (event.payload === 3) await context.tx.run(`INSERT INTO "${schema}".seen VALUES (1, 0)`);
    if (event.payload === 4) await context.tx.run('SELECT nonsense');
    if (event.payload === 5) await context.tx.run('SELECT nonsense').catch(() => undefined);
  };
  const careless: Handler = async (event, context) => {
    void add(event, context);
    if (event.payload === 2) void context.tx.run('SELECT nonsense');
  };
  const claim = (options: PostgresTargetOptions = {}): Promise<unknown> =>
    createTarget({ retryFor: 0, ...options }).claim({ key: 'k', position: 0, epoch: 1 });

  const seen = async (): Promise<readonly number[]> =>
    (await ask<{ n: number }>(stores.server, `SELECT n FROM "${schema}".seen ORDER BY position`)).map(({ n }) => n);
  const checkpoints = (): Promise<object[]> =>
    ask(stores.server, `SELECT key, position FROM "${schema}".projection_checkpoints ORDER BY key`);

  it('keeps what a handler writes and how far it has come, and goes on there', async () => {
    const first = bus.consume('views', 'a', add, { checkpointIn: createTarget() });
    await publish(bus, 1, 4);
    await first.caughtUp();
    await first.stop();
    await store.deleteDocument('checkpoints', 'views');
    const second = bus.consume('views', 'a', add, { checkpointIn: createTarget() });
    await publish(bus, 5, 6);
    await second.caughtUp();
    expect(await seen()).to.deep.equal(upTo(6));
    expect(await checkpoints()).to.deep.equal([{ key: 'views', position: '6' }]);
  });

  it('takes a pool that is there already, and leaves it as it was', async () => {
    const pool = new pg.Pool({ connectionString: stores.server.url, max: 2 });
    const mine = postgresTarget(pool);
    expect(codeOf(() => postgresTarget(7 as never))).to.equal('INVALID_OPTION');
    await mine.close();
    const target = createTarget({ pool });
    const consumer = bus.consume('views', 'a', add, { checkpointIn: target });
    await publish(bus, 1, 3);
    await consumer.caughtUp();
    await target.close();
    expect((await pool.query('SELECT 1 AS one')).rows).to.deep.equal([{ one: 1 }]);
    expect([pool.totalCount - pool.idleCount, pool.waitingCount]).to.deep.equal([0, 0]);
    await pool.end();
    expect(await seen()).to.deep.equal([1, 2, 3]);
  });

  it('takes back what a handler wrote that failed, also where only the commit fails', async () => {
    const consumer = bus.consume('views', 'a', failing, { checkpointIn: createTarget(), retry: false });
    await publish(bus, 1, 6);
    await consumer.caughtUp();
    expect(await seen()).to.deep.equal([1, 6]);
    const letters = await bus.deadLetters.list();
    expect(letters.map(({ error }) => error.code).toReversed()).to.deep.equal([
      undefined,
      'HANDLER_FAILED',
      '42703',
      'HANDLER_FAILED',
    ]);
    expect(await checkpoints()).to.deep.equal([{ key: 'views', position: '6' }]);
  });

  it('has one transaction for a batch', async () => {
    await publish(bus, 1, 10);
    let calls = 0;
    const addAll = async (events: readonly StoredEvent[], context: { tx: PostgresTransaction }): Promise<void> => {
      calls++;
      for (const event of events) await add(event, context);
    };
    await bus.consume('views', 'a', addAll, { checkpointIn: createTarget(), batch: { max: 5 } }).caughtUp();
    expect(await seen()).to.deep.equal(upTo(10));
    expect(calls).to.be.below(10);
  });

  it('divides a group, each partition with its checkpoint, and is rewound as a whole', async function () {
    this.timeout(60_000);
    const terms = { checkpointIn: createTarget(), onReset, group: true, key: 'entity', concurrency: 4 } as const;
    const consumer = bus.consume('views', 'a', add, terms);
    await publish(bus, 1, 20);
    await consumer.caughtUp();
    expect(await seen()).to.deep.equal(upTo(20));
    expect(await checkpoints()).to.have.lengthOf(64);
    await consumer.rewind(11);
    await consumer.caughtUp();
    expect(await seen()).to.deep.equal(upTo(20).slice(10));
  });

  it('refuses what a deposed holder commits, and is rewound only where it is told how', async () => {
    const target = createTarget();
    await target.claim({ key: 'k', position: 0, epoch: 1e12 + 2 });
    const late = target.commit([{ key: 'k', position: 5, epoch: 1e12 + 1 }], onReset);
    expect((await rejectionOf(late)).code).to.equal('LEASE_LOST');
    expect((await rejectionOf(target.claim({ key: 'k', position: 0, epoch: 1 }))).code).to.equal('LEASE_LOST');
    await target.commit([{ key: 'k', position: 5, epoch: 1e12 + 2 }], onReset);
    expect(await target.claim({ key: 'k', position: 0, epoch: 1e12 + 3 })).to.include({ position: 5 });
    const consumer = bus.consume('views', 'a', add, { checkpointIn: target });
    expect((await rejectionOf(consumer.rewind('earliest'))).code).to.equal('INVALID_OPTION');
  });

  it('hands out rows as `pg` does, and keeps its transaction to itself', async () => {
    const target = createTarget();
    let kept!: PostgresTransaction;
    await target.commit([], async (tx) => {
      kept = tx;
      const row = await tx.get('SELECT $1::int AS n, $2::jsonb AS j, NULL AS nothing', [7, { a: [1] }]);
      expect(row).to.deep.equal({ n: 7, j: { a: [1] }, nothing: null });
      expect(await tx.get('SELECT 1 AS one WHERE false')).to.equal(undefined);
      expect(await tx.all('SELECT n FROM generate_series(1, 3) AS n')).to.deep.equal([{ n: 1 }, { n: 2 }, { n: 3 }]);
      for (const sql of ['COMMIT', ' rollback', '/* x */ END', '-- x\nBEGIN', 'SAVEPOINT a', 'ABORT'])
        expect((await rejectionOf(tx.run(sql))).code, sql).to.equal('INVALID_OPTION');
    });
    expect((await rejectionOf(kept.run('SELECT 1'))).code).to.equal('INVALID_OPTION');
    // More than one statement a call never goes.
    let refused: unknown;
    await target.commit([], ({ run }) => run('SELECT 1; COMMIT')).catch((error: unknown) => (refused = error));
    expect(refused).to.have.property('code', '42601');
  });

  it('waits for what a handler has begun and not awaited, and lets none of it be unhandled', async () => {
    const consumer = bus.consume('views', 'a', careless, { checkpointIn: createTarget(), retry: false });
    await publish(bus, 1, 3);
    await consumer.caughtUp();
    expect(await seen()).to.deep.equal([1, 3]);
  });

  it('refuses a table of the same name that is not its own, and one of another version', async () => {
    await ask(stores.server, `CREATE SCHEMA "${schema}"`);
    await ask(
      stores.server,
      `CREATE TABLE "${schema}".projection_checkpoints (key text, position bigint, epoch float)`,
    );
    expect((await rejectionOf(claim())).code).to.equal('TARGET_BROKEN');
    for (const [version, code] of [
      [1, 'STORE_VERSION'],
      [3, 'STORE_VERSION'],
      // The other table is missing.
      [2, 'TARGET_BROKEN'],
    ] as const) {
      const mark = `COMMENT ON TABLE "${schema}".projection_checkpoints IS 'telltale projection checkpoints ${version}'`;
      await ask(stores.server, mark);
      expect((await rejectionOf(claim())).code).to.equal(code);
    }
  });

  it('says what is wrong with a place, a password and an option', async () => {
    const nowhere = 'postgres://telltale@127.0.0.1:1/none';
    expect((await rejectionOf(claim({ url: nowhere }))).code).to.equal('STORE_UNAVAILABLE');
    const stranger = new URL(stores.server.url);
    stranger.pathname = '/no_such_database';
    expect((await rejectionOf(claim({ url: stranger.href }))).code).to.equal('STORE_ACCESS');
    expect(codeOf(() => postgresTarget({ retryFor: -1 }))).to.equal('INVALID_DURATION');
    expect(codeOf(() => postgresTarget({ tablePrefix: 'x' } as never))).to.equal('INVALID_OPTION');
    expect(codeOf(() => postgresTarget('http://x'))).to.equal('INVALID_OPTION');
  });

  it('says at once what `setup` failed of, and runs it again for whoever asks next', async () => {
    const mine = new Error('mine');
    let runs = 0;
    const wrongs: readonly (readonly [(tx: PostgresTransaction) => unknown, object])[] = [
      [() => Promise.reject(mine), mine],
      [({ run }) => run('CREATE nonsense'), { code: '42601' }],
      [({ run }) => void run('CREATE nonsense'), { code: 'HANDLER_FAILED' }],
      [() => (undefined as unknown as string).length, { name: 'TypeError' }],
    ];
    for (const [wrong, expected] of wrongs) {
      const target = createTarget({ retryFor: '1h', setup: (tx) => (runs++ % 3 < 2 ? wrong(tx) : setup(tx)) });
      for (const asking of [
        () => target.claim({ key: 'k', position: 0, epoch: 1 }),
        () => target.commit([], () => 1),
      ]) {
        const error = await asking().then(
          () => expect.fail('it did not fail'),
          (thrown: unknown) => thrown,
        );
        if (expected === mine) expect(error).to.equal(mine);
        else expect(error).to.include(expected);
      }
      expect(await target.claim({ key: 'k', position: 0, epoch: 1 })).to.include({ position: 0 });
    }
    expect(runs).to.equal(12);
  });

  it('makes its table once where many begin at a time', async () => {
    const all = Array.from({ length: 6 }, (_, i) =>
      createTarget({ poolSize: 2 }).claim({ key: `k${i}`, position: i, epoch: 1 }),
    );
    const positions = (await Promise.all(all)).map((answer) => (answer as { position: number }).position);
    expect(positions).to.deep.equal([0, 1, 2, 3, 4, 5]);
  });
});
