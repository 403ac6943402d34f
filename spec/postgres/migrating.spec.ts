import { expect } from 'chai';
import pg from 'pg';
import type { Migrations } from '../../lib/plugin.ts';
import { Connections } from '../../plugins/postgres/connections.ts';
import type { Migrated } from '../../plugins/postgres/ddl.ts';
import { Names } from '../../plugins/postgres/names.ts';
import { openTables } from '../../plugins/postgres/opening.ts';
import { Partitions } from '../../plugins/postgres/partitions.ts';
import { buildEvent } from '../support/event-builder.ts';
import { ask, dropSchema, schemaName } from '../support/postgres-server.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { Stores } from './stores.ts';

const stores = new Stores();

/** Two steps as a later version may have them. */
const STEPS: Migrations<Migrated> = [
  ({ session, names }) => session.query(`ALTER TABLE ${names.of('documents')} ADD COLUMN steps text`),
  ({ session, names }) => session.query(`INSERT INTO ${names.of('documents')} VALUES ('c', 'k', '1', 'e', 'second')`),
];
const broken = ({ session, names }: Migrated): Promise<unknown> => session.query(`DROP TABLE ${names.of('nothing')}`);

describe('postgres: a log of an older version', function () {
  this.timeout(60_000);
  let schema = '';
  const connected: Connections[] = [];

  before(async function () {
    await stores.begin(this);
  });

  beforeEach(async () => {
    schema = schemaName();
    const store = stores.create({ schema });
    await store.open();
    await store.append([buildEvent()]);
    await store.close();
  });

  afterEach(async () => {
    for (const connections of connected.splice(0)) await connections.close();
    await dropSchema(stores.server, schema);
  });

  async function open(migrations: Migrations<Migrated>, readOnly = false): Promise<void> {
    const connections = new Connections({ url: stores.server.url }, 2, 20_000);
    connected.push(connections);
    await connections.open();
    const names = new Names(schema, '');
    const partitions = new Partitions(connections, names, 1_000);
    const options = { index: [], indexPayload: undefined, create: true, readOnly };
    await openTables({ connections, names, partitions, migrations, search: false, ...options });
  }

  /** All of them have found the older version before one of them may begin. */
  async function together(count: number, work: () => Promise<void>): Promise<void> {
    const { lockKey } = new Names(schema, '');
    const holder = new pg.Client({ connectionString: stores.server.url });
    await holder.connect();
    await holder.query('SELECT pg_advisory_lock($1)', [lockKey]);
    let isOver = false;
    const working = Promise.all(Array.from({ length: count }, work)).finally(() => (isOver = true));
    const waiting = `SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
      AND (classid::bigint << 32) | objid::bigint = $1::bigint`;
    const isAnyToCome = async (): Promise<boolean> =>
      !isOver && (await holder.query(waiting, [lockKey])).rows.length < count;
    while (await isAnyToCome());
    const wasOver = isOver;
    await holder.end();
    await working;
    expect(wasOver, 'over before the lock was free').to.equal(false);
  }

  async function version(): Promise<number> {
    const [row] = await ask<{ version: number }>(stores.server, `SELECT version FROM ${schema}.meta`);
    return row!.version;
  }

  const documents = (): Promise<object[]> => ask(stores.server, `SELECT * FROM ${schema}.documents`);

  it('is migrated by each step once, whoever opens it at the same time', async () => {
    await together(4, () => open(STEPS));
    expect(await version()).to.equal(3);
    const row = { collection: 'c', key: 'k', value: '1', etag: 'e', steps: 'second' };
    expect(await documents()).to.deep.equal([row]);
    expect(await ask(stores.server, `SELECT position FROM ${schema}.events`)).to.deep.equal([{ position: '1' }]);
  });

  it('goes on from the version that it has', async () => {
    await open(STEPS.slice(0, 1));
    expect([await version(), await documents()]).to.deep.equal([2, []]);
    await open(STEPS);
    expect([await version(), (await documents()).length]).to.deep.equal([3, 1]);
  });

  it('stays as it was where a step fails', async () => {
    const told = await open([...STEPS, broken]).catch((error: unknown) => error);
    expect(told).to.be.an('error').with.property('message').that.includes('nothing');
    expect(await version()).to.equal(1);
    expect(await documents()).to.deep.equal([]);
    const store = stores.create({ schema });
    await store.open();
    expect((await store.append([buildEvent()])).position).to.equal(2);
    await store.putDocument('c', 'k', 1);
    await store.close();
  });

  it('is not migrated by who only reads, and says so', async () => {
    const error = await rejectionOf(open(STEPS, true));
    expect([error.code, await version()]).to.deep.equal(['STORE_VERSION', 1]);
    expect(error.message).to.include('expected tables of version 3, found version 1');
  });

  it('is refused by the version before once it is migrated', async () => {
    await open(STEPS);
    for (const readOnly of [false, true])
      expect((await rejectionOf(stores.create({ schema, readOnly }).open())).code).to.equal('STORE_VERSION');
    expect(await version()).to.equal(3);
  });
});
