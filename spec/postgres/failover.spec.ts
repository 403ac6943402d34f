import { expect } from 'chai';
import { createBus } from '../../lib/index.ts';
import type { PostgresStore } from '../../plugins/postgres/index.ts';
import { buildEvent } from '../support/event-builder.ts';
import { ask, schemaName } from '../support/postgres-server.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { appendSurely } from './retrying.ts';
import { Stores } from './stores.ts';

const stores = new Stores();

/** As after a failover, when the old server serves as a standby: it goes on answering, and takes no writes. */
describe('postgres: a server that has come to take no writes', function () {
  this.timeout(60_000);
  let role = '';
  let store: PostgresStore;

  before(async function () {
    await stores.begin(this);
  });

  beforeEach(async () => {
    role = schemaName();
    await ask(stores.server, `CREATE ROLE ${role} LOGIN PASSWORD 'x'`);
    await ask(stores.server, `CREATE SCHEMA ${role} AUTHORIZATION ${role}`);
    const url = new URL(stores.server.url);
    [url.username, url.password] = [role, 'x'];
    const connection = { connectionString: url.href, application_name: role };
    store = stores.create({ connection, schema: role, poolSize: 2 });
  });

  afterEach(async () => {
    await store.close();
    await stores.cleanUp(store);
    await ask(stores.server, `DROP OWNED BY ${role}`);
    await ask(stores.server, `DROP ROLE ${role}`);
  });

  async function failOver(): Promise<void> {
    await ask(stores.server, `ALTER ROLE ${role} SET default_transaction_read_only = on`);
    await ask(stores.server, 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1', [
      role,
    ]);
  }

  /** Whoever connects from now on reaches a server that writes. */
  const followUp = (): Promise<unknown> => ask(stores.server, `ALTER ROLE ${role} RESET default_transaction_read_only`);

  it('is unavailable, and its connections are given up for those that reach the new one', async () => {
    await store.open();
    await store.append([buildEvent()]);
    await failOver();
    const event = buildEvent();
    const writes = [
      () => store.append([event]),
      () => store.append([event], { expect: { query: { type: 'a.b' }, after: 0 } }),
      () => store.putDocument('c', 'k', 1),
      () => store.remove([{ from: 1, to: 1 }], 'spec'),
    ];
    for (const write of writes)
      for (let n = 0; n < 3; n++)
        expect((await rejectionOf(write())).code, String(write)).to.equal('STORE_UNAVAILABLE');
    expect([store.health().status, (await store.head()).position]).to.deep.equal(['open', 1]);
    await followUp();
    // What still lies in the pool is given up one by one.
    expect((await appendSurely(store, [event])).position).to.equal(2);
  });

  it('loses no event of a bus, which writes on by itself', async () => {
    const bus = await createBus({ store });
    await bus.publish('a.b', 1);
    await failOver();
    const published = bus.publish('a.b', 2);
    while (bus.health().lastError === undefined) await new Promise((resolve) => setImmediate(resolve));
    await followUp();
    expect((await published).position).to.equal(2);
    await bus.close();
  });
});
