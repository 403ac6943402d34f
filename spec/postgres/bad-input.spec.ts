import { expect } from 'chai';
import pg from 'pg';
import type { TelltaleError } from '../../lib/index.ts';
import type { Store } from '../../lib/plugin.ts';
import { postgres, postgresTarget } from '../../plugins/postgres/index.ts';
import { buildEvent } from '../support/event-builder.ts';
import { ask, schemaName } from '../support/postgres-server.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { Stores } from './stores.ts';

const stores = new Stores();
const URL_OF = 'postgres://a';

/** What is given, and what the error says of it. */
const OPTIONS: readonly (readonly [given: unknown, told: string])[] = [
  [5, 'the options of postgres to be an object, got 5'],
  [[], 'the options of postgres to be an object'],
  [null, 'the options of postgres to be an object, got null'],
  ['', '`url` of postgres to be postgres://'],
  ['not a url', '`url` of postgres to be postgres://'],
  ['localhost:5432/x', '`url` of postgres to be postgres://'],
  ['mysql://localhost/x', 'got "mysql:"'],
  ['postgres:/x', '`url` of postgres to be postgres://'],
  ['postgres://h:99999/x', '`url` of postgres to be one host, a port up to 65535, and'],
  ['postgres://h:1,i:2/x', '`url` of postgres to be one host, a port up to 65535, and'],
  [{ url: 5 }, '`url` of postgres to be a string, got 5'],
  [{ host: 5 }, '`host` is not an option of postgres (known: url, connection, pool,'],
  [{ url: URL_OF, colour: 'red' }, '`colour` is not an option of postgres'],
  [{ connection: 5 }, '`connection` of postgres'],
  [{ connection: { host: 5 } }, '`connection.host` of postgres to be a string, got 5'],
  [{ connection: { port: 'x' } }, '`connection.port` of postgres to be an integer from 1 to 65535, got "x"'],
  [{ connection: { port: 70_000 } }, '`connection.port` of postgres to be an integer from 1 to 65535, got 70000'],
  [{ connection: { password: 1 } }, '`connection.password` of postgres to be a string or a function'],
  [{ url: URL_OF, pool: new pg.Pool() }, 'one of `url`, `connection` and `pool`, got 2'],
  [{ pool: {} }, '`pool` of postgres to be a Pool of pg'],
  [{ url: URL_OF, poolSize: 1 }, '`poolSize` of postgres to be an integer from 2 to 1000, got 1'],
  [{ url: URL_OF, schema: 'x"; DROP' }, '`schema` of postgres'],
  [{ url: URL_OF, schema: '' }, '`schema` of postgres'],
  [{ url: URL_OF, tablePrefix: 'ä' }, '`tablePrefix` of postgres to be at most 24 letters'],
  [{ url: URL_OF, index: ['type'] }, '`index.0` of postgres to be a dotted path'],
  [{ url: URL_OF, index: 'payload.x' }, '`index` of postgres to be an array'],
  [{ url: URL_OF, partitionEvents: 1 }, '`partitionEvents` of postgres'],
  [{ url: URL_OF, timeout: '1ms' }, '`timeout` of postgres to be a duration from 100'],
  [{ url: URL_OF, readOnly: 'no' }, '`readOnly` of postgres to be true or false'],
];

/** What lies in the way, by a name `x`, and the names it has; without one the log finds room beside it. */
const OBSTACLES: readonly (readonly [sql: string, names: readonly string[]])[] = [
  ['CREATE TABLE x (a int)', ['meta', 'events', 'documents', 'events_1', 'events_type', 'events_payload']],
  ['CREATE VIEW x AS SELECT 1', ['meta', 'streams', 'events_1']],
  ['CREATE MATERIALIZED VIEW x AS SELECT 1', ['events', 'counter']],
  ['CREATE SEQUENCE x', ['meta', 'events_1', 'events_payload']],
  ['CREATE TYPE x AS (a int)', ['events']],
  [`CREATE TYPE x AS ENUM ('a')`, ['meta', 'changes_serial_seq']],
  ['CREATE TABLE other (a int); CREATE INDEX x ON other (a)', ['removed']],
];

const USAGE = 'GRANT USAGE ON SCHEMA s TO r';
/** Rights of a role `r` in the schema `s`, and what it is told that it lacks. */
const RIGHTS: readonly (readonly [title: string, hasLog: boolean, grants: readonly string[], told: string])[] = [
  ['may not make a schema', false, [], 'permission denied for database'],
  ['may not use the schema', true, [], 'permission denied for schema s'],
  ['may not read', true, [USAGE], 'permission denied for table meta'],
  ['may only read', true, [USAGE, 'GRANT SELECT ON ALL TABLES IN SCHEMA s TO r'], 'may not read and write "s"."meta"'],
  [
    'may not insert into one table',
    true,
    [USAGE, 'GRANT ALL ON ALL TABLES IN SCHEMA s TO r', 'REVOKE INSERT ON s.changes FROM r'],
    'may not read and write "s"."changes"',
  ],
  [
    'may make no partitions',
    true,
    [USAGE, 'GRANT ALL ON ALL TABLES IN SCHEMA s TO r'],
    ', which owns "s"."events", for new partitions',
  ],
];

/** All that is in a schema, and whether it is there. */
async function contents(schema: string): Promise<unknown[]> {
  const sql = `SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace($1)
    UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = to_regnamespace($1)
    UNION ALL SELECT typname FROM pg_type WHERE typnamespace = to_regnamespace($1)
    UNION ALL SELECT nspname FROM pg_namespace WHERE nspname = $1::text ORDER BY 1`;
  return ask(stores.server, sql, [schema]);
}

/** What opening is refused with; nothing is left of it. */
async function refusalOf(store: Store, schema: string): Promise<TelltaleError> {
  const before = await contents(schema);
  const error = await rejectionOf(store.open());
  expect(store.health().status).to.equal('closed');
  expect(await contents(schema)).to.deep.equal(before);
  return error;
}

describe('postgres: bad input', function () {
  this.timeout(120_000);

  before(async function () {
    await stores.begin(this);
  });

  afterEach(() => stores.dropSchemas());

  it('is told by what makes the store, with what was expected and what came', () => {
    const databaseUrl = process.env['DATABASE_URL'];
    delete process.env['DATABASE_URL'];
    try {
      for (const [given, told] of [...OPTIONS, [undefined, 'or DATABASE_URL to be set, got undefined'] as const])
        expect(() => postgres(given as never), JSON.stringify(given))
          .to.throw(told)
          .with.property('code', 'INVALID_OPTION');
    } finally {
      if (databaseUrl !== undefined) process.env['DATABASE_URL'] = databaseUrl;
    }
  });

  it('is told where options are given behind the url, of which nothing was read', () => {
    for (const make of [postgres, postgresTarget] as readonly ((url: string, options: object) => unknown)[])
      expect(() => make(URL_OF, { schema: 'audit' }))
        .to.throw(`options go beside the url, ${make.name}({ url, … })`)
        .with.property('code', 'INVALID_OPTION');
  });

  for (const [sql, names] of OBSTACLES)
    for (const name of names)
      it(`leaves what another program has made, and names it: ${sql} (${name})`, async () => {
        const schema = stores.schema();
        await ask(
          stores.server,
          `CREATE SCHEMA ${schema}; SET search_path = ${schema}; ${sql.replaceAll(/\bx\b/g, name)}`,
        );
        const error = await refusalOf(stores.create({ schema, indexPayload: true }), schema);
        expect(error.code).to.equal('STORE_PATH');
        expect(error.message).to.include(name).and.include('choose another schema or tablePrefix');
        const beside = stores.create({ schema, tablePrefix: 'own_', indexPayload: true });
        await beside.open();
        expect((await beside.append([buildEvent()])).position).to.equal(1);
        await beside.close();
      });

  for (const [title, hasLog, grants, told] of RIGHTS)
    it(`names the right that is missing to who ${title}`, async () => {
      const [schema, role] = [stores.schema(), schemaName()];
      const named = (text: string): string => text.replaceAll(/\bs\b/g, schema).replaceAll(/\br\b/g, role);
      if (hasLog) {
        const owner = stores.create({ schema });
        await owner.open();
        await owner.close();
      }
      await ask(stores.server, `CREATE ROLE ${role} LOGIN PASSWORD 'x'`);
      try {
        for (const grant of grants) await ask(stores.server, named(grant));
        const url = new URL(stores.server.url);
        [url.username, url.password] = [role, 'x'];
        const error = await refusalOf(postgres({ url: url.href, schema }), schema);
        expect(error.code).to.equal('STORE_ACCESS');
        expect(error.message).to.include(named(told));
      } finally {
        await ask(stores.server, `DROP OWNED BY ${role}`);
        await ask(stores.server, `DROP ROLE ${role}`);
      }
    });

  it('names the database that may not be entered, and the one that has another encoding', async () => {
    const [name, role] = [schemaName(), schemaName()];
    await ask(
      stores.server,
      `CREATE DATABASE ${name} ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'`,
    );
    await ask(stores.server, `REVOKE CONNECT ON DATABASE ${name} FROM PUBLIC; CREATE ROLE ${role} LOGIN PASSWORD 'x'`);
    const url = new URL(stores.server.url);
    url.pathname = `/${name}`;
    try {
      const encoded = await rejectionOf(postgres(url.href).open());
      expect([encoded.code, encoded.message]).to.deep.equal([
        'NOT_SUPPORTED',
        'expected the database to be encoded in UTF8, got "SQL_ASCII" (string)',
      ]);
      expect(await ask({ url: url.href }, `SELECT FROM pg_namespace WHERE nspname = 'telltale'`)).to.deep.equal([]);
      [url.username, url.password] = [role, 'x'];
      const refused = await rejectionOf(postgres(url.href).open());
      expect([refused.code, refused.message.includes(`database "${name}"`)]).to.deep.equal(['STORE_ACCESS', true]);
    } finally {
      await ask(stores.server, `DROP DATABASE ${name} WITH (FORCE)`);
      await ask(stores.server, `DROP ROLE ${role}`);
    }
  });

  it('leaves a relation alone that is called as an index that is not wanted', async () => {
    const schema = stores.schema();
    await ask(stores.server, `CREATE SCHEMA ${schema}; CREATE TABLE ${schema}.events_payload (a int)`);
    const store = stores.create({ schema, indexPayload: false });
    await store.open();
    await store.close();
    expect(await ask(stores.server, `SELECT * FROM ${schema}.events_payload`)).to.deep.equal([]);
  });
});
