import { expect } from 'chai';
import pg from 'pg';
import { search } from '../../lib/history/search.ts';
import { CheckpointTable } from '../../plugins/postgres/checkpoint-table.ts';
import { Connections } from '../../plugins/postgres/connections.ts';
import { buildEvent, buildEvents } from '../support/event-builder.ts';
import { pendingAppend } from '../support/pending-append.ts';
import { storesOfSuite } from './stores.ts';

/** As a database, a role or a url may set them: each changes what a value is as text, or how a statement is read. */
const SETTINGS = {
  bytea_output: 'escape',
  extra_float_digits: '-15',
  array_nulls: 'off',
  DateStyle: 'SQL,DMY',
  IntervalStyle: 'sql_standard',
  TimeZone: 'Asia/Kathmandu',
  standard_conforming_strings: 'off',
  backslash_quote: 'off',
  quote_all_identifiers: 'on',
  transform_null_equals: 'on',
  row_security: 'off',
  search_path: 'pg_catalog',
  default_transaction_isolation: 'serializable',
};

describe('postgres: settings of the database, the role or the url', function () {
  this.timeout(60_000);
  const stores = storesOfSuite();
  let url: string;

  before(() => {
    const set = new URL(stores.server.url);
    set.searchParams.set(
      'options',
      Object.entries(SETTINGS)
        .flatMap(([name, value]) => ['-c', `${name}=${value}`])
        .join(' '),
    );
    url = set.href;
  });

  it('change nothing of what is found by the index of texts', async () => {
    const store = stores.create({ url, schema: stores.schema(), search: true, partitionEvents: 256 });
    await store.open();
    await store.append([...buildEvents(511), buildEvent({ payload: 'a heliotrope \\ \0'.slice(0, -1) })]);
    await store.idle();
    const found: number[] = [];
    for await (const { event } of search(store, 'heliotrope')) found.push(event.position);
    expect(found).to.deep.equal([512]);
    expect(await search(store, 'heliotrope').explain()).to.include({ index: 'search', scanned: 1 });
    await store.close();
  });

  it("change nothing of the time at which is stored what is appended within a caller's transaction", async () => {
    const store = stores.create({ url, schema: stores.schema() });
    await store.open();
    await store.append([buildEvent()]);
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    await client.query('BEGIN ISOLATION LEVEL READ COMMITTED');
    const { head } = await store.appendWithin(client, [pendingAppend([buildEvent()])]);
    await client.query('COMMIT');
    await client.end();
    expect(head.storedAt).to.be.at.most(Date.now());
    expect(await store.head()).to.deep.equal(head);
    await store.close();
  });

  it('change nothing of the checkpoint of a consumer that has seen no event yet', async () => {
    const connections = new Connections({ url }, 1, 20_000);
    await connections.open();
    const table = new CheckpointTable(stores.schema());
    const given = { key: 'views', position: 7, epoch: 1_700_000_000_000.123 };
    const known = await connections.transaction(async (session) => {
      await table.bring(session);
      await table.write(session, [given]);
      return table.lock(session, [given]);
    });
    expect([...known.values()]).to.deep.equal([given]);
    await connections.close();
  });
});
