import { expect } from 'chai';
import pg from 'pg';
import { postgresTarget } from '../../plugins/postgres/index.ts';
import type {
  PgPool,
  PostgresTarget,
  PostgresTargetOptions,
  PostgresTransaction,
} from '../../plugins/postgres/index.ts';
import { ask, dropSchema, schemaName } from '../support/postgres-server.ts';
import { openProxy } from '../support/tcp-proxy.ts';
import { refuseUnhandledRejections } from '../support/unhandled.ts';
import { Stores } from './stores.ts';

type Query = (query: { readonly text: string }) => Promise<unknown>;

/** A pool whose connections fail of some statements. */
function failingPool(url: string, failureOf: (text: string) => Error | undefined): PgPool & pg.Pool {
  const pool = new pg.Pool({ connectionString: url, max: 3 });
  pool.on('connect', (client) => {
    const query = client.query.bind(client) as unknown as Query;
    const failing: Query = async (given) => {
      const failure = failureOf(given.text);
      if (failure !== undefined) throw failure;
      return query(given);
    };
    Object.assign(client, { query: failing });
  });
  return pool;
}

function rejection(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => expect.fail('it did not fail'),
    (error: unknown) => error,
  );
}

describe('postgresTarget and statements that fail', function () {
  this.timeout(60_000);
  refuseUnhandledRejections();
  const stores = new Stores();
  let schema: string;

  before(async function () {
    await stores.begin(this);
  });
  beforeEach(async () => {
    schema = schemaName();
    await ask(stores.server, `CREATE SCHEMA "${schema}"`);
    await ask(stores.server, `CREATE TABLE "${schema}".seen (n int)`);
  });
  afterEach(() => dropSchema(stores.server, schema));

  const insert = ({ run }: PostgresTransaction, n: number): Promise<number> =>
    run(`INSERT INTO "${schema}".seen VALUES ($1)`, [n]);
  const seen = async (): Promise<readonly number[]> =>
    (await ask<{ n: number }>(stores.server, `SELECT n FROM "${schema}".seen ORDER BY n`)).map(({ n }) => n);

  async function using<T>(options: PostgresTargetOptions, work: (target: PostgresTarget) => Promise<T>): Promise<T> {
    const target = postgresTarget({ schema, ...options });
    try {
      return await work(target);
    } finally {
      await target.close();
    }
  }
  it('commits nothing of a transaction in which a statement was not answered, though the handler went on', async () => {
    const url = new URL(stores.server.url);
    const proxy = await openProxy(url.hostname, Number(url.port));
    [url.hostname, url.port] = ['127.0.0.1', String(proxy.port)];
    let given = 0;
    let isFirst = true;
    await using({ url: url.href, timeout: '1s' }, (target) =>
      target.commit([{ key: 'k', position: 1, epoch: 1 }], async (tx) => {
        if (isFirst) {
          isFirst = false;
          proxy.stall();
          // The server gets it when the proxy goes on.
          await insert(tx, 1).catch(() => given++);
          proxy.resume();
        }
        await insert(tx, 2);
      }),
    );
    await proxy.close();
    expect(given).to.equal(1);
    expect(await seen()).to.deep.equal([2]);
  });

  it('commits nothing where a handler did not wait for what goes on after a statement', async () => {
    await using({ url: stores.server.url }, async (target) => {
      let late: Promise<unknown> | undefined;
      const error = await rejection(
        target.commit([{ key: 'k', position: 1, epoch: 1 }], (tx) => {
          late = rejection(insert(tx, 1).then(() => insert(tx, 2)));
        }),
      );
      expect(error).to.have.property('code', 'HANDLER_FAILED');
      expect(await late).to.have.property('code', 'INVALID_OPTION');
    });
    expect(await seen()).to.deep.equal([]);
  });

  it('says what a handler failed of where it cannot be taken back either', async () => {
    const pool = failingPool(stores.server.url, (text) => (text === 'ROLLBACK' ? new Error('gone') : undefined));
    // Whoever gets the connection next must not find a transaction open.
    const thrownAway = new Promise((resolve) => pool.once('remove', resolve));
    const mine = new Error('mine');
    await using({ pool }, async (target) => {
      const error = await rejection(
        target.commit([], async (tx) => {
          await insert(tx, 1);
          throw mine;
        }),
      );
      expect(error).to.equal(mine);
      await thrownAway;
    });
    expect(await seen()).to.deep.equal([]);
    await pool.end();
  });

  it('does not wait for a server that is there', async () => {
    let calls = 0;
    const pool = failingPool(stores.server.url, (text) => {
      if (!text.includes('advisory')) return undefined;
      calls++;
      return new TypeError('a mistake');
    });
    await using({ pool, retryFor: '1h' }, async (target) => {
      const error = await rejection(target.claim({ key: 'k', position: 0, epoch: 1 }));
      expect(error).to.have.property('code', 'STORE_UNAVAILABLE');
      expect(error).to.have.property('message').that.includes('a mistake');
    });
    expect(calls).to.equal(1);
    await pool.end();
  });

  it('hands parameters that cannot be to the handler, which may go on', async () => {
    const circular: Record<string, unknown> = {};
    circular['itself'] = circular;
    const wrong: readonly unknown[][] = [[circular], [[circular]], [{ n: 1n }]];
    let runs = 0;
    await using({ url: stores.server.url }, async (target) => {
      await target.commit([], async (tx) => {
        runs++;
        for (const values of wrong) {
          const error = await rejection(tx.run('SELECT $1::text', values));
          expect(error, String(values)).to.be.instanceOf(TypeError);
        }
        const row = await tx.get('SELECT $1::jsonb AS j, $2::jsonb[] AS a, $3::int[] AS n, $4::text AS nothing', [
          { a: ['"'] },
          [{ b: '\\' }, null],
          [[1], [2]],
          null,
        ]);
        expect(row).to.deep.equal({ j: { a: ['"'] }, a: [{ b: '\\' }, null], n: [[1], [2]], nothing: null });
        await insert(tx, 1);
      });
      const error = await rejection(
        target.commit([], ({ run }) => {
          runs++;
          return run(`INSERT INTO "${schema}".seen VALUES ($1), ($2)`, [2]);
        }),
      );
      expect(error).to.have.property('code', '08P01');
    });
    expect(await seen()).to.deep.equal([1]);
    expect(runs).to.equal(2);
  });
});
