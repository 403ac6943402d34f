import { expect } from 'chai';
import type { Bus } from '../../lib/index.ts';
import { createBus } from '../../lib/index.ts';
import { isTelltaleError } from '../../lib/plugin.ts';
import type { Store } from '../../lib/plugin.ts';
import { postgres } from '../../plugins/postgres/index.ts';
import { buildEvent, buildEvents } from '../support/event-builder.ts';
import { ask, ownServer, restartServer, schemaName } from '../support/postgres-server.ts';
import type { TestServer } from '../support/postgres-server.ts';
import { openProxy } from '../support/tcp-proxy.ts';
import type { TcpProxy } from '../support/tcp-proxy.ts';
import { appendSurely } from './retrying.ts';
import { Stores } from './stores.ts';

const stores = new Stores();

async function allOf(store: Store): Promise<string[]> {
  const ids: string[] = [];
  for await (const { id } of store.read()) ids.push(id);
  return ids;
}

/** Publishes without a pause until `isOver`; each must be stored in the end. */
async function publishUntil(bus: Bus, isOver: () => boolean): Promise<string[]> {
  const ids: string[] = [];
  const lanes = Array.from({ length: 16 }, async () => {
    while (!isOver()) {
      const { event } = await bus.publish('task.created', { n: ids.length });
      ids.push(event.id);
    }
  });
  await Promise.all(lanes);
  return ids;
}

async function expectEachOnce(store: Store, acknowledged: readonly string[]): Promise<void> {
  const ids = await allOf(store);
  const there = new Set(ids);
  expect(
    acknowledged.filter((id) => !there.has(id)),
    'lost',
  ).to.deep.equal([]);
  expect(ids.length - there.size, 'doubled').to.equal(0);
  expect(acknowledged.length).to.be.greaterThan(0);
}

const TIMEOUT_MS = 500;

/**
 * Whether `work` ends before so many timeouts have passed one after another. A machine that is slow or busy holds up
 * these as it holds up those that `work` waits for.
 */
async function endsWithin(timeouts: number, work: Promise<unknown>): Promise<boolean> {
  const pass = async (): Promise<boolean> => {
    for (let n = 0; n < timeouts; n++) await new Promise((resolve) => setTimeout(resolve, TIMEOUT_MS));
    return false;
  };
  return Promise.race([work.then(() => true), pass()]);
}

/** A short timeout may be too short for a busy machine. */
async function openSurely(store: Store): Promise<void> {
  for (;;) {
    try {
      return await store.open();
    } catch (error) {
      if (!isTelltaleError(error, 'STORE_UNAVAILABLE')) throw error;
    }
  }
}

describe('postgres: connections that break', function () {
  this.timeout(120_000);

  before(async function () {
    await stores.begin(this);
  });

  it('lose nothing and double nothing when backends are terminated during commits', async () => {
    const application = schemaName();
    const connection = { connectionString: stores.server.url, application_name: application };
    const store = stores.create({ connection, schema: application });
    const bus = await createBus({ store });
    let rounds = 0;
    const publishing = publishUntil(bus, () => rounds >= 30);
    for (; rounds < 30; rounds++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      await ask(stores.server, 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1', [
        application,
      ]);
    }
    const ids = await publishing;
    await bus.close();
    const check = stores.again(store);
    await check.open();
    await expectEachOnce(check, ids);
    await check.close();
    await stores.cleanUp(store);
  });
});

describe('postgres: a server that is restarted', function () {
  this.timeout(120_000);
  let server: Required<TestServer>;

  before(async function () {
    server = await ownServer(this);
  });

  it('has every event once, and its watchers hear of all of them', async () => {
    const options = { url: server.url, schema: 'restarted', timeout: '20s', poll: '100ms' } as const;
    const bus = await createBus({ store: postgres(options) });
    const watcher = postgres(options);
    await watcher.open();
    const seen: number[] = [];
    watcher.onCommit((events) => seen.push(...events.map(({ position }) => position)));
    let restarts = 0;
    const publishing = publishUntil(bus, () => restarts >= 3);
    for (; restarts < 3; restarts++) await restartServer(server);
    const ids = await publishing;
    await bus.close();
    await expectEachOnce(watcher, ids);
    const { position } = await watcher.head();
    while (seen.at(-1) !== position) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(seen).to.deep.equal(Array.from({ length: position }, (_, n) => n + 1));
    await watcher.close();
  });
});

describe('postgres: a server that says nothing any more', function () {
  this.timeout(120_000);
  let proxy: TcpProxy;
  let store: Store;

  before(async function () {
    await stores.begin(this);
  });

  beforeEach(async () => {
    const url = new URL(stores.server.url);
    proxy = await openProxy(url.hostname, Number(url.port));
    url.port = String(proxy.port);
    url.hostname = '127.0.0.1';
    const schema = schemaName();
    // Making the tables may take its time.
    const first = stores.create({ schema });
    await first.open();
    await first.close();
    store = stores.create({ url: url.href, schema, timeout: TIMEOUT_MS, poll: '1h', poolSize: 2 });
    await openSurely(store);
  });

  afterEach(async () => {
    proxy.resume();
    await store.close();
    await proxy.close();
    await stores.cleanUp(store);
  });

  it('keeps no call waiting beyond the timeout, and takes the retry for what it is', async () => {
    const event = buildEvent();
    await appendSurely(store, [event]);
    proxy.stall();
    const late = buildEvent();
    const calls: readonly (() => Promise<unknown>)[] = [
      () => store.append([late]),
      () => store.head(),
      () => store.find(['x']),
      () => store.revision('task/a'),
      () => store.page({ after: 0, through: 1, descending: false, limit: 1 }),
      () => store.putDocument('c', 'k', 1),
      () => store.document('c', 'k'),
      () => store.listDocuments('c'),
      () => store.deleteDocument('c', 'k'),
      () => store.remove([{ from: 1, to: 1 }], 'spec'),
      () => store.removed(),
      () => store.size(),
      () => store.sync(),
    ];
    for (const call of calls) {
      const refused = call().then(
        () => 'an answer',
        (thrown: unknown) => thrown,
      );
      // A connection, one statement and the clean-up behind it.
      expect(await endsWithin(4, refused), String(call)).to.equal(true);
      expect(isTelltaleError(await refused, 'STORE_UNAVAILABLE'), String(call)).to.equal(true);
    }
    proxy.resume();
    const again = await appendSurely(store, [late]);
    expect(again.position).to.equal(2);
    expect((await appendSurely(store, [event])).duplicate).to.equal(true);
  });

  it('does not keep a store from closing', async () => {
    await Promise.all([store.head(), store.head()]).catch(() => undefined);
    proxy.stall();
    const appended = store.append(buildEvents(3)).catch((error: unknown) => error);
    expect(await endsWithin(8, store.close())).to.equal(true);
    expect(isTelltaleError(await appended, 'STORE_UNAVAILABLE')).to.equal(true);
  });

  it('is told as unavailable to who opens a store', async () => {
    await store.close();
    proxy.stall();
    const refused = store.open().catch((thrown: unknown) => thrown);
    expect(await endsWithin(4, refused)).to.equal(true);
    expect(isTelltaleError(await refused, 'STORE_UNAVAILABLE')).to.equal(true);
    proxy.resume();
    await openSurely(store);
  });
});
