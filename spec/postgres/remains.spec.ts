import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { buildEvents } from '../support/event-builder.ts';
import { ask, ownServer, restartServer } from '../support/postgres-server.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { Stores } from './stores.ts';

const PAGE = { descending: false, limit: 100 };

describe('postgres: what is left of a log whose last partition is damaged on the disk', function () {
  this.timeout(120_000);
  const stores = new Stores();

  it('is all that is before it, also where the counter is lost', async function () {
    const server = await ownServer(this);
    const store = stores.create({ url: server.url, partitionEvents: 8 });
    await store.open();
    await store.append(buildEvents(20));
    await store.close();
    const schema = stores.schemaOf(store);
    const [last] = await ask<{ name: string; from: number }>(
      server,
      `SELECT tableoid::regclass::text AS name, min(position)::int AS from FROM "${schema}".events
       GROUP BY tableoid ORDER BY 2 DESC LIMIT 1`,
    );
    await ask(server, 'CHECKPOINT');
    const files = await ask<{ path: string }>(
      server,
      `SELECT pg_relation_filepath(c.oid) AS path FROM pg_class c WHERE c.oid = '${last!.name}'::regclass
       OR c.oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = '${last!.name}'::regclass)`,
    );
    for (const { path } of files) await damage(join(server.folder, path));
    // It has the pages in memory.
    await restartServer(server);

    const end = last!.from - 1;
    for (const [sql, extent] of [
      ['SELECT 1', { end: 20, reach: 20 }],
      [`DELETE FROM "${schema}".counter`, { end, reach: end }],
    ] as const) {
      await ask(server, sql);
      const remains = await stores.again(store).remains();
      expect(await remains.extent()).to.deep.equal(extent);
      expect((await remains.page({ ...PAGE, after: 0, through: end })).events).to.have.length(end);
      expect((await rejectionOf(remains.page({ ...PAGE, after: end, through: 20 }))).code).to.equal('STORE_CORRUPT');
      await remains.close();
    }
  });
});

async function damage(path: string): Promise<void> {
  const file = await open(path, 'r+');
  const { size } = await file.stat();
  await file.write(Buffer.alloc(size, 77), 0, size, 0);
  await file.close();
}
