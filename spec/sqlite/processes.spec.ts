import { expect } from 'chai';
import { copyFileSync } from 'node:fs';
import { createBus } from '../../lib/index.ts';
import type { Store, StoredEvent } from '../../lib/plugin.ts';
import { buildEvent } from '../../plugins/contract/build-event.ts';
import { loadDriver } from '../../plugins/sqlite/drivers.ts';
import { verify } from '../../plugins/sqlite/index.ts';
import { parseOptions } from '../../plugins/sqlite/options.ts';
import { SqliteStore } from '../../plugins/sqlite/store.ts';
import { leastHoldMs } from '../support/loop-hold.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { skip } from '../support/skip.ts';
import { Child } from './children.ts';
import { INSTALLED, withEachDriver } from './drivers.ts';
import { killWriters } from './killed-writers.ts';
import { faulty } from './faulty.ts';
import type { Fault } from './faulty.ts';
import { cleanUp, freshStore, pathOf, placed, storeAt } from './files.ts';

/** Nothing holds the event loop longer. */
const PROMISED_HOLD_MS = 20;
const none: Fault = () => undefined;

async function readAll(store: Store): Promise<StoredEvent[]> {
  const events: StoredEvent[] = [];
  for await (const event of store.read()) events.push(event);
  return events;
}

describe('sqlite: several processes on one file', function () {
  this.timeout(120_000);

  let store: Store;
  afterEach(async () => {
    await store.close();
    cleanUp(store);
  });

  withEachDriver((driver) => {
    it(`gives each event of four writers one position, and shows all of them in order, with ${driver}`, async () => {
      store = freshStore({ driver, pollMs: 5, busyTimeout: 60_000 });
      await store.open();
      const fed: number[] = [];
      let all: () => void;
      const everything = new Promise<void>((resolve) => (all = resolve));
      store.onCommit((events) => {
        fed.push(...events.map(({ position }) => position));
        if (fed.length === 400) all();
      });
      const children = [1, 2, 3].map(() => new Child('append', driver, pathOf(store), 100));
      for (let n = 0; n < 100; n++) await store.append([buildEvent({ entity: 'task/shared' })]);
      await Promise.all(children.map((child) => child.end()));
      await everything;
      const events = await readAll(store);
      const upTo400 = Array.from({ length: 400 }, (_, i) => i + 1);
      expect(events.map(({ position }) => position)).to.deep.equal(upTo400);
      expect(events.map(({ revision }) => revision)).to.deep.equal(upTo400);
      expect(fed).to.deep.equal(upTo400);
      const positions = new Map(events.map(({ id, position }) => [id, `${position}`]));
      for (const line of children.flatMap(({ lines }) => lines.slice(1))) {
        const [id, position] = line.split(' ');
        expect(positions.get(id!)).to.equal(position);
      }
      expect((await verify(pathOf(store), { driver })).findings).to.deep.equal([]);
    });

    it(`waits for a process that holds the lock, and goes on meanwhile, with ${driver}`, async () => {
      const fresh = freshStore({ driver });
      let look = none;
      const watched = faulty((...call) => look(...call), loadDriver(driver));
      const path = pathOf(fresh);
      store = placed(new SqliteStore(path, parseOptions(path, { driver, busyTimeout: 60_000 }), () => watched), path);
      await store.open();
      let stored = (await store.append([buildEvent()])).position;
      const held = await leastHoldMs(async () => {
        const holder = new Child('hold', driver, pathOf(store));
        await holder.said(1);
        let position: number | undefined;
        let attempts = 0;
        const refused = new Promise<void>((resolve) => {
          look = (sql) => {
            if (sql.startsWith('BEGIN') && ++attempts === 8) resolve();
            return undefined;
          };
        });
        const appending = store.append([buildEvent()]).then((commit) => (position = commit.position));
        await Promise.race([refused, appending]);
        expect((await readAll(store)).length, 'reads go on').to.equal(stored);
        expect(position, 'stored while another has the lock').to.equal(undefined);
        holder.letGo();
        expect(await appending).to.equal(++stored);
        await holder.end();
      }, PROMISED_HOLD_MS);
      expect(held, 'the longest hold of the event loop, ms').to.be.lessThan(PROMISED_HOLD_MS);
    });

    it(`gives up after busyTimeout, and the retry is stored once, with ${driver}`, async () => {
      store = freshStore({ driver, busyTimeout: 150 });
      await store.open();
      const holder = new Child('hold', driver, pathOf(store));
      await holder.said(1);
      const event = buildEvent();
      const refused = await store.append([event]).catch((error: unknown) => error);
      holder.letGo();
      await holder.end();
      expect(refused).to.include({ code: 'STORE_UNAVAILABLE' });
      expect((refused as Error).message).to.match(/another process has had the lock for 150 ms/);
      expect(await store.append([event])).to.include({ position: 1, duplicate: false });
      expect(store.health().status).to.equal('open');
    });

    it(`loses, doubles and splits nothing over 8 writers killed while they commit, with ${driver}`, async () => {
      store = freshStore({ driver, busyTimeout: 60_000 });
      await store.open();
      expect(await killWriters(store, driver, 8)).to.be.greaterThan(50);
    });

    it(`keeps the order of what a bus publishes while another has the lock longer than it waits, with ${driver}`, async () => {
      store = freshStore({ driver, busyTimeout: 30 });
      const bus = await createBus({ source: 'test', store });
      const holder = new Child('hold', driver, pathOf(store));
      await holder.said(1);
      const published = Array.from({ length: 20 }, (_, n) => bus.publish('work.done', { n }));
      while (store.health().lastError === undefined) await new Promise((resolve) => setImmediate(resolve));
      expect(store.health().lastError!.code).to.equal('STORE_UNAVAILABLE');
      holder.letGo();
      const receipts = await Promise.all(published);
      expect(receipts.map(({ position }) => position)).to.deep.equal(Array.from({ length: 20 }, (_, n) => n + 1));
      expect((await readAll(store)).map(({ payload }) => (payload as { n: number }).n)).to.deep.equal(
        receipts.map((_, n) => n),
      );
      await holder.end();
      await bus.close();
    });
  });

  it('lets exactly one of two processes win where both expect the same', async () => {
    const driver = INSTALLED[0]!;
    store = freshStore({ driver });
    await store.open();
    const children = [1, 2].map(() => new Child('condition', driver, pathOf(store), 200));
    await Promise.all(children.map((child) => child.end()));
    const won = children.flatMap(({ lines }) => lines.slice(1)).toSorted();
    expect(won).to.deep.equal(Array.from({ length: 200 }, (_, n) => `won ${n}`).toSorted());
  });

  it('reads with each driver what another has written, but not with two in one process at once', async () => {
    store = freshStore({ driver: INSTALLED[0]! });
    await store.open();
    await store.append([buildEvent({ payload: { text: 'x'.repeat(100_000) }, metadata: { requestId: 'r' } })]);
    const written = await readAll(store);
    const refused = INSTALLED.slice(1).map((driver) => storeAt(pathOf(store), { driver }).open());
    for (const error of await Promise.allSettled(refused))
      expect(error).to.have.nested.property('reason.code', 'INVALID_OPTION');
    await store.close();
    for (const driver of INSTALLED) {
      const copy = `${pathOf(store)}.${driver.replace(':', '-')}`;
      copyFileSync(pathOf(store), copy);
      const other = storeAt(copy, { driver, readOnly: true, checkOnRead: true });
      await other.open();
      expect(await readAll(other)).to.deep.equal(written);
      expect(
        (await other.page({ after: 0, through: 9, descending: false, limit: 9, where: { 'metadata.requestId': 'r' } }))
          .index,
      ).to.equal('metadata.requestId');
      await other.close();
    }
  });

  it('keeps other drivers off a file that libsql has closed in this process, where it is open until it is collected', async function (): Promise<void> {
    const other = INSTALLED.find((driver) => driver !== 'libsql');
    if (!INSTALLED.includes('libsql') || other === undefined) return skip(this, 'two drivers: libsql and one more');
    store = freshStore({ driver: 'libsql' });
    await store.open();
    await store.close();
    expect((await rejectionOf(storeAt(pathOf(store), { driver: other }).open())).code).to.equal('INVALID_OPTION');
  });

  it('tells a store of what another removed and rewrote', async () => {
    store = freshStore({ pollMs: 2 });
    await store.open();
    await store.append([buildEvent(), buildEvent(), buildEvent()]);
    const other = storeAt(pathOf(store), {});
    await other.open();
    const told: number[] = [];
    // A removal may be told in steps.
    const all = new Promise<void>((resolve) => {
      store.onRemove((ranges) => {
        for (const { from, to } of ranges) for (let at = from; at <= to; at++) told.push(at);
        if (told.length >= 2) resolve();
      });
    });
    await other.remove([{ from: 2, to: 3 }], 'elsewhere');
    await all;
    expect(told).to.deep.equal([2, 3]);
    await other.close();
  });
});
