import { expect } from 'chai';
import { dropLog } from '../../plugins/postgres/index.ts';
import type { PostgresStore } from '../../plugins/postgres/index.ts';
import { buildEvents } from '../support/event-builder.ts';
import { ask, schemaName } from '../support/postgres-server.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { storesOfSuite } from './stores.ts';

/** Tables of another program with the names of ours, and its function. */
const LIKE_OURS = `
CREATE TABLE search_blocks (block int);
CREATE TABLE search (block int, trigram text, places bytea);
CREATE FUNCTION search_forget() RETURNS int LANGUAGE sql AS 'SELECT 1';
INSERT INTO search_blocks SELECT generate_series(0, 9);
INSERT INTO search SELECT generate_series(0, 9), 'theirs', 'x'`;
const UNLIKE_OURS = 'CREATE TABLE search (id int, q text); INSERT INTO search SELECT generate_series(0, 9)';

describe('postgres: tables of another program with the names of those of texts', function () {
  this.timeout(60_000);
  const stores = storesOfSuite();
  let schema: string;

  beforeEach(async () => {
    schema = stores.schema();
    await ask(stores.server, `CREATE SCHEMA ${schema}`);
  });

  const make = (sql: string): Promise<unknown> => ask(stores.server, `SET search_path = ${schema}; ${sql}`);
  const rows = async (table: string): Promise<number> =>
    Number((await ask<{ count: string }>(stores.server, `SELECT count(*) FROM ${schema}.${table}`))[0]!.count);
  const relations = async (): Promise<readonly string[]> => {
    const text = `SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace($1) AND relkind IN ('r', 'p') ORDER BY 1`;
    return (await ask<{ relname: string }>(stores.server, text, [schema])).map(({ relname }) => relname);
  };
  const removing = async (store: PostgresStore): Promise<void> => {
    await store.open();
    // One more, and a partition would be made ahead: whoever makes one holds what is to be dropped.
    await store.append(buildEvents(28));
    expect(await store.remove([{ from: 1, to: 12 }], 'test')).to.equal(12);
    expect(await relations()).not.to.include('events_1');
  };

  for (const sql of [LIKE_OURS, UNLIKE_OURS])
    it(`keep their rows when a log without an index of texts is cleaned and dropped: ${sql.trim().slice(0, 30)}`, async () => {
      await make(sql);
      const store = stores.create({ schema, partitionEvents: 8 });
      await removing(store);
      await store.close();
      await dropLog({ url: stores.server.url, schema });
      expect(await rows('search')).to.equal(10);
      if (sql === LIKE_OURS) expect(await rows('search_blocks')).to.equal(10);
    });

  it('are not searched by who may only read', async () => {
    await make(UNLIKE_OURS);
    const writer = stores.create({ schema, partitionEvents: 8 });
    await removing(writer);
    const reader = stores.create({ schema, readOnly: true, search: true });
    await reader.open();
    const page = {
      after: 0,
      through: 30,
      descending: false,
      limit: 30,
      words: { words: ['nowhere'], in: ['payload'] },
    };
    expect((await reader.page(page)).index).to.equal(undefined);
    await reader.close();
    await writer.close();
  });

  it('are told when an index of texts is asked for, and nothing is made', async () => {
    await make('CREATE TABLE search_blocks (id int)');
    const opening = (): Promise<void> => stores.create({ schema, search: true }).open();
    const { code, message } = await rejectionOf(opening());
    expect([code, message]).to.deep.equal([
      'STORE_PATH',
      `PostgreSQL, schema ${schema}: relation "search_blocks" already exists: another program's; choose another schema or tablePrefix`,
    ]);
    expect(await relations()).to.deep.equal(['search_blocks']);
    const plain = stores.create({ schema });
    await plain.open();
    await plain.append(buildEvents(3));
    const before = await relations();
    expect((await rejectionOf(opening())).code).to.equal('STORE_PATH');
    expect(await relations()).to.deep.equal(before);
    await plain.close();
  });
});

describe('postgres: the tables of texts', function () {
  this.timeout(60_000);
  const stores = storesOfSuite();
  let schema: string;

  beforeEach(() => (schema = stores.schema()));

  it('are told when one of them is lost', async () => {
    const store = stores.create({ schema, search: true });
    await store.open();
    await store.close();
    await ask(stores.server, `DROP TABLE ${schema}.search`);
    const { code, message } = await rejectionOf(store.open());
    expect([code, message.includes('search')]).to.deep.equal(['STORE_CORRUPT', true]);
  });

  it('must be readable to who searches, and writable to who writes', async () => {
    const owner = stores.create({ schema, search: true });
    await owner.open();
    const role = schemaName();
    await ask(stores.server, `CREATE ROLE ${role} LOGIN PASSWORD 'x'`);
    const url = new URL(stores.server.url);
    [url.username, url.password] = [role, 'x'];
    const of = { url: url.href, schema };
    try {
      await ask(stores.server, `GRANT USAGE ON SCHEMA ${schema} TO ${role}`);
      await ask(stores.server, `GRANT ALL ON ALL TABLES IN SCHEMA ${schema} TO ${role}`);
      await ask(stores.server, `REVOKE ALL ON ${schema}.search FROM ${role}`);
      for (const [options, right] of [
        [{ readOnly: true, search: true }, 'read'],
        [{}, 'read and write'],
      ] as const) {
        const { code, message } = await rejectionOf(stores.create({ ...of, ...options }).open());
        const told = `the user of the connection may not ${right} "${schema}"."search"`;
        expect([code, message]).to.deep.equal(['STORE_ACCESS', told]);
      }
      const reader = stores.create({ ...of, readOnly: true });
      await reader.open();
      await reader.close();
    } finally {
      await owner.close();
      await ask(stores.server, `DROP OWNED BY ${role}`);
      await ask(stores.server, `DROP ROLE ${role}`);
    }
  });
});
