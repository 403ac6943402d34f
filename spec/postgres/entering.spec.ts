import { expect } from 'chai';
import pg from 'pg';
import type { PostgresOptions, PostgresStore } from '../../plugins/postgres/index.ts';
import { buildEvent } from '../support/event-builder.ts';
import { ask, dropSchema, schemaName } from '../support/postgres-server.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { openSurely } from './fault-runs.ts';
import { Stores } from './stores.ts';

const stores = new Stores();

const FOREIGN: Readonly<Record<string, (schema: string) => string>> = {
  'an index': (s) => `CREATE TABLE ${s}.mine (a int); CREATE INDEX events_type ON ${s}.mine (a)`,
  'a table where a partition is to be': (s) => `CREATE TABLE ${s}.events_1 (a int)`,
  'a type': (s) => `CREATE TYPE ${s}.meta AS ENUM ('a')`,
};
const DAMAGED: Readonly<Record<string, (schema: string) => string>> = {
  'no version': (s) => `ALTER TABLE ${s}.meta ALTER version TYPE text; UPDATE ${s}.meta SET version = 'abc'`,
  'an empty counter': (s) => `DELETE FROM ${s}.counter`,
  'no function': (s) => `DROP FUNCTION ${s}.append_1`,
};
const LACKING: Readonly<Record<string, (schema: string, role: string) => string>> = {
  EXECUTE: (s) => `REVOKE EXECUTE ON FUNCTION ${s}.append_1 FROM PUBLIC`,
  owns: () => '',
  default_transaction_read_only: (_, role) => `ALTER ROLE ${role} SET default_transaction_read_only = on`,
};

describe('postgres: what stands in the way of opening', function () {
  this.timeout(60_000);
  let schema = '';

  before(async function () {
    await stores.begin(this);
  });

  beforeEach(async () => {
    schema = schemaName();
    await ask(stores.server, `CREATE SCHEMA ${schema}`);
  });

  afterEach(() => dropSchema(stores.server, schema));

  const create = (options: PostgresOptions = {}): PostgresStore => stores.create({ ...options, schema });

  async function makeLog(): Promise<void> {
    const store = create();
    await store.open();
    await store.append([buildEvent()]);
    await store.close();
  }

  for (const [what, make] of Object.entries(FOREIGN)) {
    it(`is ${what} of another program`, async () => {
      await ask(stores.server, make(schema));
      expect((await rejectionOf(create().open())).code).to.equal('STORE_PATH');
    });
  }

  for (const [what, damage] of Object.entries(DAMAGED)) {
    it(`is a log with ${what}`, async () => {
      await makeLog();
      await ask(stores.server, damage(schema));
      expect((await rejectionOf(create().open())).code).to.equal('STORE_CORRUPT');
    });
  }

  it('is a setting that the server does not know', async () => {
    const url = new URL(stores.server.url);
    url.searchParams.set('options', '-c foo');
    expect((await rejectionOf(create({ url: url.href }).open())).code).to.equal('INVALID_OPTION');
  });

  it('is a right that the user lacks, each by its name', async () => {
    await makeLog();
    const role = `${schema}_user`;
    await ask(stores.server, `CREATE ROLE ${role} LOGIN PASSWORD 'word'`);
    try {
      await ask(
        stores.server,
        `GRANT ALL ON SCHEMA ${schema} TO ${role}; GRANT ALL ON ALL TABLES IN SCHEMA ${schema} TO ${role}`,
      );
      const url = Object.assign(new URL(stores.server.url), { username: role, password: 'word' }).href;
      for (const [right, revoke] of Object.entries(LACKING)) {
        await ask(stores.server, revoke(schema, role));
        const { code, message } = await rejectionOf(create({ url }).open());
        expect(code).to.equal('STORE_ACCESS');
        expect(message).to.include(right);
      }
    } finally {
      await ask(stores.server, `DROP OWNED BY ${role}; DROP ROLE ${role}`);
    }
  });

  it('is somebody who holds the tables, for no longer than the timeout', async () => {
    await makeLog();
    const opener = create({ timeout: 2_000 });
    const holder = new pg.Client({ connectionString: stores.server.url });
    await holder.connect();
    try {
      await holder.query(`BEGIN; LOCK TABLE ${schema}.counter IN ACCESS EXCLUSIVE MODE`);
      expect((await rejectionOf(opener.open())).code).to.equal('STORE_UNAVAILABLE');
    } finally {
      await holder.end();
    }
    await openSurely(opener);
    await opener.close();
  });

  it('does not keep a store from closing', async () => {
    await makeLog();
    const holder = new pg.Client({ connectionString: stores.server.url });
    await holder.connect();
    try {
      await holder.query(`BEGIN; LOCK TABLE ${schema}.counter IN ACCESS EXCLUSIVE MODE`);
      const store = create({ timeout: '10m' });
      const refused = rejectionOf(store.open());
      const waiting = `SELECT 1 FROM pg_locks WHERE NOT granted AND relation = '${schema}.counter'::regclass`;
      while ((await ask(stores.server, waiting)).length === 0);
      await store.close();
      expect((await refused).code).to.equal('STORE_UNAVAILABLE');
    } finally {
      await holder.end();
    }
  });
});
