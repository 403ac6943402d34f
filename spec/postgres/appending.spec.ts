import { expect } from 'chai';
import pg from 'pg';
import { buildEvent } from '../support/event-builder.ts';
import { ask } from '../support/postgres-server.ts';
import { Stores } from './stores.ts';

const stores = new Stores();
const TABLES = ['event_ids', 'streams'];

/** Rows read by going through the whole of a table, once the server has counted so many written ones. */
async function readThrough(schema: string, written: number): Promise<number> {
  for (;;) {
    const [row] = await ask<{ read: string; written: string }>(
      stores.server,
      `SELECT sum(seq_tup_read) AS read, sum(n_tup_ins) AS written FROM pg_stat_all_tables
       WHERE schemaname = $1 AND relname = ANY ($2)`,
      [schema, TABLES],
    );
    if (Number(row!.written) >= written) return Number(row!.read);
  }
}

describe('postgres: appending', function () {
  this.timeout(60_000);

  before(async function () {
    await stores.begin(this);
  });

  it('looks up ids and entities in an index, on a connection that began with an empty log and no statistics', async () => {
    const pool = new pg.Pool({ connectionString: stores.server.url, max: 1 });
    const store = stores.create({ pool });
    const schema = stores.schemaOf(store);
    await store.open();
    for (const table of TABLES)
      await ask(stores.server, `ALTER TABLE ${schema}.${table} SET (autovacuum_enabled = false)`);
    for (let n = 0; n < 12; n++)
      await store.append(Array.from({ length: 20 }, (_, i) => buildEvent({ entity: `order/${n}-${i}` })));
    await store.close();
    await pool.end();
    expect(await readThrough(schema, 2 * 12 * 20)).to.equal(0);
    await stores.cleanUp(store);
  });
});
