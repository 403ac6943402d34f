import { expect } from 'chai';
import type { Bus } from '../../lib/index.ts';
import { createBus } from '../../lib/index.ts';
import { isTelltaleError } from '../../lib/plugin.ts';
import type { Store } from '../../lib/plugin.ts';
import { postgres } from '../../plugins/postgres/index.ts';
import { ask, dropSchema, restartServer, schemaName } from '../support/postgres-server.ts';
import type { TestServer } from '../support/postgres-server.ts';
import { openProxy } from '../support/tcp-proxy.ts';
import type { TcpProxy } from '../support/tcp-proxy.ts';
import type { Stores } from './stores.ts';

/** Breaks every connection of a bus that publishes, again and again; answers how many events were published. */
export async function terminateBackends(stores: Stores, rounds: number): Promise<number> {
  const application = schemaName();
  const connection = { connectionString: stores.server.url, application_name: application };
  const store = stores.create({ connection, schema: application });
  const bus = await createBus({ store });
  const ids: string[] = [];
  let done = 0;
  const publishing = publishUntil(bus, () => done >= rounds, ids);
  for (; done < rounds; done++) {
    await oneMore(ids);
    await ask(stores.server, 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1', [
      application,
    ]);
  }
  await publishing;
  await bus.close();
  const check = stores.again(store);
  await check.open();
  await expectEachOnce(check, ids);
  await check.close();
  await stores.cleanUp(store);
  return ids.length;
}

/** Restarts the server at once under a bus that publishes, again and again; a watcher must hear of every event. */
export async function restartWhilePublishing(server: Required<TestServer>, restarts: number): Promise<number> {
  const schema = schemaName();
  const options = { url: server.url, schema, timeout: '20s', poll: '100ms' } as const;
  const bus = await createBus({ store: postgres(options) });
  const watcher = postgres(options);
  await watcher.open();
  const seen: number[] = [];
  watcher.onCommit((events) => seen.push(...events.map(({ position }) => position)));
  const ids: string[] = [];
  let done = 0;
  const publishing = publishUntil(bus, () => done >= restarts, ids);
  for (; done < restarts; done++) {
    await oneMore(ids);
    await restartServer(server);
  }
  await publishing;
  await bus.close();
  await expectEachOnce(watcher, ids);
  const { position } = await watcher.head();
  while (seen.at(-1) !== position) await new Promise((resolve) => setTimeout(resolve, 10));
  expect(seen).to.deep.equal(Array.from({ length: position }, (_, n) => n + 1));
  await watcher.close();
  await dropSchema(server, schema);
  return ids.length;
}

/** Lets the server say nothing until the store has given up, again and again, while a bus publishes through the proxy. */
export async function stallWhilePublishing(stores: Stores, stalling: Stalling, stalls: number): Promise<number> {
  const { store, proxy } = stalling;
  const bus = await createBus({ store });
  const ids: string[] = [];
  let done = 0;
  const publishing = publishUntil(bus, () => done >= stalls, ids);
  for (; done < stalls; done++) {
    await oneMore(ids);
    proxy.stall();
    for (const before = store.health().lastError; store.health().lastError === before;) await moment();
    proxy.resume();
  }
  await publishing;
  await bus.close();
  const check = stores.again(store, { url: stores.server.url, timeout: '20s' });
  await check.open();
  await expectEachOnce(check, ids);
  await check.close();
  return ids.length;
}

export interface Stalling {
  readonly proxy: TcpProxy;
  readonly store: Store;
}

export const TIMEOUT_MS = 500;

/** An open store with a short timeout, behind a proxy that can be stalled. */
export async function openStalling(stores: Stores): Promise<Stalling> {
  const url = new URL(stores.server.url);
  const proxy = await openProxy(url.hostname, Number(url.port));
  url.port = String(proxy.port);
  url.hostname = '127.0.0.1';
  const schema = schemaName();
  // Making the tables may take its time.
  const first = stores.create({ schema });
  await first.open();
  await first.close();
  const store = stores.create({ url: url.href, schema, timeout: TIMEOUT_MS, poll: '1h', poolSize: 2 });
  await openSurely(store);
  return { proxy, store };
}

export async function closeStalling(stores: Stores, { proxy, store }: Stalling): Promise<void> {
  proxy.resume();
  await store.close();
  await proxy.close();
  await stores.cleanUp(store);
}

/** A short timeout may be too short for a busy machine. */
export async function openSurely(store: Store): Promise<void> {
  for (;;) {
    try {
      return await store.open();
    } catch (error) {
      if (!isTelltaleError(error, 'STORE_UNAVAILABLE')) throw error;
    }
  }
}

/** Publishes without a pause until `isOver`; each must be stored in the end. */
async function publishUntil(bus: Bus, isOver: () => boolean, ids: string[]): Promise<void> {
  const lanes = Array.from({ length: 16 }, async () => {
    while (!isOver()) {
      const { event } = await bus.publish('task.created', { n: ids.length });
      ids.push(event.id);
    }
  });
  await Promise.all(lanes);
}

/** The next fault comes when the one before is over and events go through, or it would meet nothing but openings. */
async function oneMore(ids: readonly string[]): Promise<void> {
  for (const count = ids.length; ids.length === count;) await moment();
}

async function expectEachOnce(store: Store, acknowledged: readonly string[]): Promise<void> {
  const there = new Set<string>();
  let stored = 0;
  for await (const { id } of store.read()) {
    there.add(id);
    stored++;
  }
  expect(
    acknowledged.filter((id) => !there.has(id)),
    'lost',
  ).to.deep.equal([]);
  expect(stored - there.size, 'doubled').to.equal(0);
  expect(acknowledged.length).to.be.greaterThan(0);
}

const moment = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 2));
