import { expect } from 'chai';
import pg from 'pg';
import { systemClock } from '../../lib/clock.ts';
import { Connections } from '../../plugins/postgres/connections.ts';
import { payloadIndex, wantedIndexes } from '../../plugins/postgres/ddl.ts';
import { IndexBuilder } from '../../plugins/postgres/index-builder.ts';
import type { PostgresStore } from '../../plugins/postgres/index.ts';
import { Names } from '../../plugins/postgres/names.ts';
import { buildEvent } from '../support/event-builder.ts';
import { ask } from '../support/postgres-server.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { openProxy } from '../support/tcp-proxy.ts';
import { Stores } from './stores.ts';

const stores = new Stores();
/** Long enough for a busy machine to answer within. */
const TIMEOUT_MS = 3_000;
const ignore = (): void => undefined;
const run = (sql: string): Promise<unknown> => ask(stores.server, sql);
const PATH = 'payload.lane';
const INDEXED = { index: [PATH], indexPayload: true } as const;
const QUERY = { where: { [PATH]: 'l-3' }, after: 0, through: Infinity, descending: false, limit: 100 } as const;
const FOUND = [3, 13, 23, 33];

/** A machine that is slow or busy holds up these timeouts as it holds up those that `work` waits for. */
async function endsWithin(timeouts: number, work: Promise<unknown>): Promise<boolean> {
  const pass = async (): Promise<boolean> => {
    for (let n = 0; n < timeouts; n++) await new Promise((resolve) => setTimeout(resolve, TIMEOUT_MS));
    return false;
  };
  return Promise.race([work.then(() => true), pass()]);
}

async function answered(store: PostgresStore): Promise<[number[], string | undefined]> {
  const page = await store.page(QUERY);
  return [page.events.map(({ position }) => position), page.index];
}

describe('postgres: an index that is new to a log', function () {
  this.timeout(120_000);
  const opened: PostgresStore[] = [];
  let schema = '';
  let blocker: pg.Client | undefined;

  before(async function () {
    await stores.begin(this);
  });

  beforeEach(async () => {
    const plain = stores.create({ partitionEvents: 16 });
    opened.push(plain);
    schema = stores.schemaOf(plain);
    await plain.open();
    for (let n = 1; n <= 40; n++) await plain.append([buildEvent({ payload: { lane: `l-${n % 10}` } })]);
    await plain.close();
  });

  afterEach(async () => {
    await release();
    for (const store of opened.splice(0).toReversed()) {
      await store.close();
      await stores.cleanUp(store);
    }
  });

  function made(options: object = INDEXED): PostgresStore {
    const store = stores.again(opened[0]!, options);
    opened.push(store);
    return store;
  }

  /** Whoever builds an index waits for a transaction that sees the log as it was; whoever appends does not. */
  async function hold(lock = ''): Promise<void> {
    blocker = new pg.Client({ connectionString: stores.server.url });
    await blocker.connect();
    await blocker.query(`BEGIN ISOLATION LEVEL REPEATABLE READ; ${lock}; SELECT count(*) FROM pg_namespace`);
  }

  async function release(): Promise<void> {
    await blocker?.end();
    blocker = undefined;
  }

  /** The processes of the server that build an index now. */
  async function building(): Promise<number[]> {
    const rows = await ask<{ pid: number }>(
      stores.server,
      `SELECT pid FROM pg_stat_activity WHERE state = 'active' AND query LIKE $1`,
      [`CREATE INDEX CONCURRENTLY %"${schema}"%`],
    );
    return rows.map(({ pid }) => pid);
  }

  async function untilBuilding(): Promise<number> {
    for (;;) {
      const [pid] = await building();
      if (pid !== undefined) return pid;
    }
  }

  /** By name: whether it is valid, and of which index it is a part. */
  async function parts(): Promise<Map<string, string>> {
    const rows = await ask<{ name: string; told: string }>(
      stores.server,
      `SELECT c.relname AS name, concat_ws(' ', CASE WHEN x.indisvalid THEN 'valid' ELSE 'broken' END, p.relname) AS told
       FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid LEFT JOIN pg_inherits h ON h.inhrelid = c.oid
       LEFT JOIN pg_class p ON p.oid = h.inhparent WHERE c.relnamespace = $1::regnamespace`,
      [schema],
    );
    return new Map(rows.map(({ name, told }) => [name, told]));
  }

  async function expectWhole(): Promise<void> {
    const all = [...(await parts())];
    const rows = await ask<{ count: string }>(
      stores.server,
      'SELECT count(*) FROM pg_inherits WHERE inhparent = $1::regclass',
      [`${schema}.events`],
    );
    const partitions = Number(rows[0]!.count);
    for (const { name } of wantedIndexes(new Names(schema, ''), [PATH], true))
      expect(all.filter(([, told]) => told === `valid ${name}`).length, name).to.equal(partitions);
    expect(
      all.filter(([name, told]) => told.startsWith('broken') || /^(?:path|payload)_.*\bvalid$/.test(`${name} ${told}`)),
    ).to.deep.equal([]);
  }

  it('keeps neither the opening nor appends waiting, and queries do without until it is there', async () => {
    // As one does that has written.
    await hold(`LOCK TABLE ${schema}.events_1 IN ROW EXCLUSIVE MODE`);
    const store = made();
    await store.open();
    expect(await answered(store)).to.deep.equal([FOUND, undefined]);
    await untilBuilding();
    for (let n = 0; n < 60; n++) await store.append([buildEvent()]);
    expect(store.health().notices).to.deep.equal([
      `queries have no index of ${PATH} yet: 3 partitions lack it`,
      'queries have no index of all of every payload yet: 3 partitions lack it',
    ]);
    await release();
    await store.idle();
    expect(await answered(store)).to.deep.equal([FOUND, PATH]);
    expect(store.health().notices).to.deep.equal([]);
    await expectWhole();
  });

  it('is there at once where the log is empty', async () => {
    const empty = stores.create();
    opened.push(empty);
    await empty.open();
    await empty.close();
    const store = stores.again(empty, INDEXED);
    await store.open();
    await store.append([buildEvent({ payload: { lane: 'l-3' } })]);
    expect(await answered(store)).to.deep.equal([[1], PATH]);
    await store.close();
  });

  it('is built once where many stores open at once, and all of them come to know', async () => {
    const many = Array.from({ length: 4 }, () => made());
    await Promise.all(many.map((store) => store.open()));
    await Promise.all(many.map((store) => store.idle()));
    for (const store of many) expect(await answered(store)).to.deep.equal([FOUND, PATH]);
    await expectWhole();
  });

  it('is finished by the next opening, wherever the one before was broken off', async () => {
    const names = new Names(schema, '');
    const [index] = wantedIndexes(names, [PATH], false).filter(({ of }) => of === PATH);
    const [lane, part] = [index!.name, index!.part];
    await ask(stores.server, `CREATE INDEX "${lane}" ON ONLY ${schema}.events ${index!.definition}`);
    await ask(stores.server, `CREATE INDEX "${part}_17" ON ${schema}.events_17 ${index!.definition}`);
    await hold();
    const broken = ask(
      stores.server,
      `CREATE INDEX CONCURRENTLY "${part}_1" ON "${schema}".events_1 ${index!.definition}`,
    ).catch(() => undefined);
    const pid = await untilBuilding();
    await ask(stores.server, 'SELECT pg_terminate_backend($1)', [pid]);
    await broken;
    while ((await building()).length > 0);
    await release();
    const before = await parts();
    expect([before.get(`${part}_1`), before.get(`${part}_17`)]).to.deep.equal(['broken', 'valid']);
    const store = made();
    await store.open();
    await store.idle();
    expect(await answered(store)).to.deep.equal([FOUND, PATH]);
    await expectWhole();
  });

  it('is begun again when the server ends who builds it', async () => {
    await hold();
    const store = made();
    await store.open();
    await ask(stores.server, 'SELECT pg_terminate_backend($1)', [await untilBuilding()]);
    await release();
    await store.idle();
    await expectWhole();
  });

  it('is broken off when the store closes, and leaves nothing that has to be kept up to date', async () => {
    await hold();
    const store = made();
    await store.open();
    await untilBuilding();
    await store.close();
    expect(await building()).to.deep.equal([]);
    expect([...(await parts()).keys()].filter((name) => /^(?:path|payload)_/.test(name))).to.deep.equal([]);
  });

  it('is left alone by a store that only reads, which comes to know of it', async () => {
    const reader = made({ ...INDEXED, readOnly: true });
    await reader.open();
    expect(await answered(reader)).to.deep.equal([FOUND, undefined]);
    expect(reader.health().notices[0]).to.include(PATH);
    const writer = made();
    await writer.open();
    await Promise.all([writer.idle(), reader.idle()]);
    expect(await answered(reader)).to.deep.equal([FOUND, PATH]);
  });

  it('goes with all of its parts where it is not wanted any more, and with no other index', async () => {
    const index = payloadIndex(new Names(schema, ''));
    await ask(stores.server, `CREATE INDEX "${index.name}" ON ONLY ${schema}.events ${index.definition}`);
    await ask(stores.server, `CREATE INDEX "${index.part}_17" ON ${schema}.events_17 ${index.definition}`);
    await ask(stores.server, `CREATE INDEX "payload_of_mine" ON ${schema}.events_17 (length(payload))`);
    await made({ indexPayload: false }).open();
    expect([...(await parts()).keys()].filter((name) => /payload/.test(name))).to.deep.equal(['payload_of_mine']);
  });

  it('leaves what another program calls as a part of it, broken or not, and says so', async () => {
    await run(`CREATE TABLE ${schema}.payload_1 (theirs int)`);
    await run(`CREATE TABLE ${schema}.theirs (a int); INSERT INTO ${schema}.theirs VALUES (1), (1)`);
    await run(`CREATE UNIQUE INDEX CONCURRENTLY payload_17 ON ${schema}.theirs (a)`).catch(ignore);
    const store = made({ indexPayload: true });
    await store.open();
    const told = /: 2 partitions lack it; the last attempt failed: .*another program's/;
    while (!told.test(store.health().notices.join())) await run('SELECT 1');
    await store.close();
    const left = await parts();
    expect([left.get('payload_33'), left.get('payload_17')]).to.deep.equal(['valid events_payload', 'broken']);
    expect(await run(`SELECT * FROM ${schema}.payload_1`)).to.deep.equal([]);
  });

  it('keeps neither opening nor appends waiting for what another program does, made or dropped', async () => {
    const built = made({ indexPayload: true });
    await built.open();
    await built.idle();
    for (const [options, statement, told] of [
      [
        { indexPayload: false },
        'SELECT count(*) FROM events',
        'the index of all of every payload is still to be dropped',
      ],
      [{ index: [PATH] }, 'DELETE FROM events WHERE position < 0', `queries have no index of ${PATH} yet`],
    ] as const) {
      await hold(`SET LOCAL search_path = ${schema}; ${statement}`);
      const store = made({ ...options, timeout: '5s' });
      await store.open();
      expect(store.health().notices[0]).to.include(told);
      for (let n = 0; n < 5; n++) await built.append([buildEvent()]);
      await release();
      await store.idle();
      expect(store.health().notices).to.deep.equal([]);
    }
    const names = [...(await parts())].filter(([, told]) => !told.startsWith('valid'));
    expect([names, (await parts()).has('events_payload')]).to.deep.equal([[], false]);
  });

  it('of texts waits for whoever writes, lets appends go first, and is told as unavailable after the timeout', async () => {
    const other = made({ timeout: '10m' });
    await other.open();
    await hold(`DELETE FROM ${schema}.events WHERE position < 0`);
    const store = made({ search: true, timeout: '10m' });
    const opening = store.open();
    const waiting = `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE $1`;
    while ((await ask(stores.server, waiting, [`%"${schema}"%TRIGGER%`])).length === 0);
    const appended = other.append([buildEvent()]);
    // Else it would wait for as long as the opening does.
    expect(await endsWithin(20, appended)).to.equal(true);
    expect((await rejectionOf(made({ search: true, timeout: '1s' }).open())).code).to.equal('STORE_UNAVAILABLE');
    await release();
    await opening;
    expect(store.health().notices).to.deep.equal([]);
  });

  it('is left to whoever builds already', async () => {
    const names = new Names(schema, '');
    const before = await parts();
    await hold(`SELECT pg_advisory_lock(${names.indexerKey})`);
    const store = made();
    await store.open();
    expect(await parts()).to.deep.equal(before);
    expect(store.health().notices).to.have.length(2);
    await release();
    await store.idle();
    await expectWhole();
  });

  it('is neither made nor built by an opening that fails', async () => {
    await ask(stores.server, `CREATE TABLE ${schema}.search_blocks (a int)`);
    const before = await parts();
    const store = made({ ...INDEXED, search: true });
    await rejectionOf(store.open());
    expect([await parts(), await building()]).to.deep.equal([before, []]);
    await ask(stores.server, `DROP TABLE ${schema}.search_blocks`);
    await store.open();
    await store.idle();
    await expectWhole();
  });

  it('does not keep a store from closing within its timeout where the server says nothing while it is built', async () => {
    const url = new URL(stores.server.url);
    const proxy = await openProxy(url.hostname, Number(url.port));
    [url.hostname, url.port] = ['127.0.0.1', String(proxy.port)];
    await hold();
    const store = made({ ...INDEXED, url: url.href, timeout: TIMEOUT_MS });
    await store.open();
    await untilBuilding();
    proxy.stall();
    expect(await endsWithin(4, store.close())).to.equal(true);
    await proxy.close();
  });

  it('does not keep a store from closing where the server says nothing from the moment it is to be built', async () => {
    const url = new URL(stores.server.url);
    const proxy = await openProxy(url.hostname, Number(url.port));
    [url.hostname, url.port] = ['127.0.0.1', String(proxy.port)];
    const connections = new Connections({ url: url.href }, 2, TIMEOUT_MS);
    await connections.open();
    const single = connections.single.bind(connections);
    const connected = new Promise<void>((resolve) => {
      connections.single = async () => {
        const client = await single();
        proxy.stall();
        resolve();
        return client;
      };
    });
    const names = new Names(schema, '');
    const wanted = wantedIndexes(names, [PATH], false);
    const port = { connections, names, wanted, unwanted: [], clock: systemClock, readOnly: false, ready: ignore };
    const builder = new IndexBuilder(port);
    await builder.start();
    await connected;
    expect(await endsWithin(4, builder.stop())).to.equal(true);
    await connections.close();
    await builder.idle();
    await proxy.close();
  });
});
