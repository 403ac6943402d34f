import { expect } from 'chai';
import { openStore, storeAt } from '../../plugins/open.ts';
import { buildEvent } from '../support/event-builder.ts';
import { ask, schemaName } from '../support/postgres-server.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { storesOfSuite } from './stores.ts';

describe('postgres: a log that is only read', function () {
  this.timeout(60_000);
  const stores = storesOfSuite();
  let schema: string;

  beforeEach(() => (schema = stores.schema()));

  const schemas = (): Promise<unknown[]> =>
    ask(stores.server, 'SELECT nspname FROM pg_namespace WHERE nspname = $1', [schema]);

  /** All tables and indexes in the schema. */
  const contents = (): Promise<unknown[]> =>
    ask(
      stores.server,
      `SELECT c.relname, c.oid FROM pg_class c WHERE c.relnamespace = to_regnamespace($1) ORDER BY c.relname`,
      [schema],
    );

  it('makes no tables where there is no log', async () => {
    for (const options of [{ create: false }, { readOnly: true }]) {
      const error = await rejectionOf(stores.create({ schema, ...options }).open());
      expect(error.code).to.equal('STORE_PATH');
      expect(error.message).to.include(schema);
      expect(await schemas()).to.deep.equal([]);
    }
  });

  it('is said in a url as well', async () => {
    const url = new URL(stores.server.url);
    url.searchParams.set('schema', schema);
    expect((await rejectionOf((await storeAt(url.href, { readOnly: true })).open())).code).to.equal('STORE_PATH');
    url.searchParams.set('create', 'false');
    expect((await rejectionOf(openStore(url.href))).code).to.equal('STORE_PATH');
    expect(await schemas()).to.deep.equal([]);
  });

  it('writes where there is a log that it may not create', async () => {
    const first = stores.create({ schema });
    await first.open();
    await first.close();
    const store = stores.create({ schema, create: false });
    await store.open();
    expect((await store.append([buildEvent()])).position).to.equal(1);
    await store.close();
  });

  it('takes no writes and makes nothing, whatever indexes it is told of', async () => {
    const writer = stores.create({ schema, indexPayload: true });
    await writer.open();
    await writer.append([buildEvent({ type: 'order.placed', payload: { lane: 'north' } })]);
    const before = await contents();
    const reader = stores.create({
      schema,
      readOnly: true,
      index: ['payload.lane'],
      indexPayload: false,
      search: true,
    });
    await reader.open();
    expect(reader.supports).to.deep.include({ readOnly: true, operations: ['watch', 'summarize'] });
    const all = { after: 0, through: 9, descending: false, limit: 9 };
    const [event] = (await writer.page(all)).events;
    const writes = [
      () => reader.append([buildEvent()]),
      () => reader.remove([{ from: 1, to: 1 }], 'test'),
      () => reader.rewrite([event!]),
      () => reader.putDocument('a', 'b', 1),
      () => reader.deleteDocument('a', 'b'),
    ];
    for (const write of writes) expect((await rejectionOf(write())).code, String(write)).to.equal('STORE_READ_ONLY');
    for (const query of [{ where: { 'payload.lane': 'north' } }, { words: { words: ['north'], in: ['payload'] } }])
      expect((await reader.page({ ...all, ...query })).events).to.have.length(1);
    expect(await contents()).to.deep.equal(before);
    await reader.close();
    await writer.close();
  });

  it('follows the processes that write', async () => {
    const writer = stores.create({ schema });
    await writer.open();
    const reader = stores.create({ schema, readOnly: true });
    await reader.open();
    const told = new Promise<readonly unknown[]>((resolve) => {
      reader.onCommit((events) => resolve(events.map(({ payload }) => payload)));
    });
    await writer.append([buildEvent({ payload: 7 })]);
    expect(await told).to.deep.equal([7]);
    await reader.close();
    await writer.close();
  });

  it('needs no right but to read', async () => {
    const owner = stores.create({ schema });
    await owner.open();
    await owner.append([buildEvent()]);
    const role = schemaName();
    await ask(stores.server, `CREATE ROLE ${role} LOGIN PASSWORD 'x'`);
    const url = new URL(stores.server.url);
    [url.username, url.password] = [role, 'x'];
    try {
      await ask(stores.server, `GRANT USAGE ON SCHEMA ${schema} TO ${role}`);
      const reader = stores.create({ url: url.href, schema, readOnly: true });
      expect((await rejectionOf(reader.open())).code).to.equal('STORE_ACCESS');
      await ask(stores.server, `GRANT SELECT ON ALL TABLES IN SCHEMA ${schema} TO ${role}`);
      await reader.open();
      expect((await reader.head()).position).to.equal(1);
      await reader.close();
    } finally {
      await owner.close();
      await ask(stores.server, `DROP OWNED BY ${role}`);
      await ask(stores.server, `DROP ROLE ${role}`);
    }
  });
});
