import { expect } from 'chai';
import pg from 'pg';
import type { PostgresOptions, PostgresStore } from '../../plugins/postgres/index.ts';
import { buildEvents } from '../support/event-builder.ts';
import { ask } from '../support/postgres-server.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { Stores } from './stores.ts';

describe('postgres: users that have the role which owns the log', function () {
  this.timeout(60_000);
  const stores = new Stores();
  let schema: string;
  let owner: string;
  let users: readonly [string, string];

  before(async function () {
    await stores.begin(this);
  });
  beforeEach(async () => {
    schema = stores.schema();
    owner = `${schema}_owner`;
    users = [`${schema}_a`, `${schema}_b`];
    await run(`CREATE ROLE ${owner}; CREATE SCHEMA ${schema} AUTHORIZATION ${owner}`);
    for (const user of users) await run(`CREATE ROLE ${user} LOGIN PASSWORD 'word' IN ROLE ${owner}`);
    const maker = new pg.Pool({ connectionString: stores.server.url, options: `-c role=${owner}` });
    const log = stores.create({ pool: maker, schema, partitionEvents: 8 });
    await log.open();
    await log.close();
    await maker.end();
  });
  afterEach(async () => {
    await stores.dropSchemas();
    for (const role of [...users, owner]) await run(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
  });

  const run = (sql: string): Promise<Record<string, unknown>[]> => ask(stores.server, sql);
  const as = (user: string, options: PostgresOptions = {}): PostgresStore => {
    const url = Object.assign(new URL(stores.server.url), { username: user, password: 'word' }).href;
    return stores.create({ url, schema, partitionEvents: 8, ...options });
  };

  it('may change what any of them has made: partitions, their indexes and the index of texts', async () => {
    const [a, b] = [as(users[0], { search: true }), as(users[1], { search: true, indexPayload: true })];
    await a.open();
    await a.append(buildEvents(40));
    await b.open();
    await b.idle();
    expect(b.health().notices).to.deep.equal([]);
    expect(await b.remove([{ from: 1, to: 40 }], 'test')).to.equal(40);
    await b.append(buildEvents(30));
    expect(await a.remove([{ from: 41, to: 60 }], 'test')).to.equal(20);
    await a.close();
    await b.close();
    const all = await run(
      `SELECT DISTINCT r.rolname FROM pg_roles r JOIN (
         SELECT relowner AS of FROM pg_class WHERE relnamespace = '${schema}'::regnamespace
         UNION SELECT proowner FROM pg_proc WHERE pronamespace = '${schema}'::regnamespace) o ON o.of = r.oid`,
    );
    expect(all).to.deep.equal([{ rolname: owner }]);
  });

  it('are told when that role may make no partitions', async () => {
    await run(`ALTER SCHEMA ${schema} OWNER TO CURRENT_USER; GRANT ALL ON SCHEMA ${schema} TO ${users[0]}`);
    await run(`GRANT USAGE ON SCHEMA ${schema} TO ${owner}`);
    const { code, message } = await rejectionOf(as(users[0]).open());
    const told = `the user of the connection lacks CREATE on schema ${schema} for the role ${owner}, for new partitions`;
    expect([code, message]).to.deep.equal(['STORE_ACCESS', told]);
  });
});
