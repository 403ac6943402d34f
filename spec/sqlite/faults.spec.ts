import { expect } from 'chai';
import type { Store } from '../../lib/plugin.ts';
import { buildEvent, buildEvents } from '../../plugins/contract/build-event.ts';
import { verify } from '../../plugins/sqlite/index.ts';
import { parseOptions } from '../../plugins/sqlite/options.ts';
import { SqliteStore } from '../../plugins/sqlite/store.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { driverOver } from './driver-over.ts';
import { faulty, real } from './faulty.ts';
import type { Fault } from './faulty.ts';
import { cleanUp, freshStore, pathOf } from './files.ts';

const none: Fault = () => undefined;

describe('sqlite: faults', () => {
  let fault: Fault = none;
  let failsAfter = false;
  let fresh: Store;
  let store: Store;

  beforeEach(async () => {
    fault = none;
    failsAfter = false;
    fresh = freshStore({});
    store = await openFaulty();
  });

  afterEach(async () => {
    fault = none;
    await store.close();
    cleanUp(fresh);
  });

  async function openFaulty(): Promise<Store> {
    const path = pathOf(fresh);
    const opened = new SqliteStore(path, parseOptions(path, { busyTimeout: 50 }), () =>
      faulty((...call) => fault(...call), real, failsAfter),
    );
    await opened.open();
    return opened;
  }

  it('goes on when a full disk has room again, and has lost nothing', async () => {
    await store.append(buildEvents(2));
    const event = buildEvent();
    for (const statement of ['INSERT INTO telltale_events', 'COMMIT', 'UPDATE telltale_log']) {
      fault = (sql) => (sql.startsWith(statement) ? 'FULL' : undefined);
      const error = await rejectionOf(store.append([event]));
      expect(error, statement).to.include({ code: 'STORE_UNAVAILABLE' });
      expect(error.message).to.match(/injected FULL/);
      expect(store.health()).to.include({ status: 'open' });
    }
    fault = none;
    expect(await store.append([event])).to.include({ position: 3, duplicate: false });
    expect((await verify(pathOf(fresh))).findings).to.deep.equal([]);
  });

  it('stops for good after a failed sync: nothing more is acknowledged, reads go on', async () => {
    await store.append([buildEvent({ id: 'safe' })]);
    let commits = 0;
    fault = (sql) => (sql === 'COMMIT' && ++commits === 1 ? 'IOERR_FSYNC' : undefined);
    expect(await rejectionOf(store.append([buildEvent()]))).to.include({ code: 'STORE_FAILED' });
    expect(await rejectionOf(store.append([buildEvent()]))).to.include({ code: 'STORE_FAILED' });
    expect(await rejectionOf(store.putDocument('a', 'b', 1))).to.include({ code: 'STORE_FAILED' });
    expect(commits, 'the sync is not tried again').to.equal(1);
    expect(store.health().status).to.equal('failed');
    expect([...(await store.find(['safe'])).keys()]).to.deep.equal(['safe']);
  });

  it('stops for good when SQLite finds the file damaged', async () => {
    fault = (sql) => (sql.startsWith('INSERT INTO telltale_events') ? 'CORRUPT' : undefined);
    expect((await rejectionOf(store.append([buildEvent()]))).message).to.match(/injected CORRUPT/);
    expect(store.health().status).to.equal('failed');
  });

  it('stores a retry once where a commit said that it failed and had not', async () => {
    await store.close();
    failsAfter = true;
    store = await openFaulty();
    let commits = 0;
    fault = (sql) => (sql === 'COMMIT' && ++commits === 1 ? 'IOERR' : undefined);
    const event = buildEvent({ entity: 'task/a' });
    expect(await rejectionOf(store.append([event]))).to.include({ code: 'STORE_UNAVAILABLE' });
    expect(await store.append([event])).to.include({ position: 1, duplicate: true });
    expect((await store.append([buildEvent({ entity: 'task/a' })])).revisions).to.deep.equal([2]);
  });

  it('is whole after each call of an append, a removal and a document has failed once', async () => {
    const acknowledged: string[] = [];
    let nth = 0;
    for (let failed = true; failed;) {
      failed = false;
      nth++;
      let calls = 0;
      const fails = (): void => void (failed = true);
      fault = () => (++calls === nth ? 'IOERR' : undefined);
      const event = buildEvent({ entity: 'task/a', metadata: { requestId: 'r' } });
      await store.append([event]).then(() => acknowledged.push(event.id), fails);
      await store.remove([{ from: nth, to: nth }], 'swept').catch(fails);
      await store.putDocument('a', `${nth % 5}`, nth).catch(fails);
    }
    fault = none;
    expect(nth, 'calls that failed').to.be.greaterThan(15);
    expect([...(await store.find(acknowledged)).keys()]).to.have.members(acknowledged);
    expect((await verify(pathOf(fresh))).findings).to.deep.equal([]);
  });

  it('numbers the events of an entity without gaps after a commit that was rolled back', async () => {
    await store.append([buildEvent({ entity: 'task/a' })]);
    fault = (sql) => (sql === 'COMMIT' ? 'FULL' : undefined);
    await rejectionOf(store.append([buildEvent({ entity: 'task/a' })]));
    fault = none;
    await store.append([buildEvent({ entity: undefined })]);
    expect((await store.append([buildEvent({ entity: 'task/a' })])).revisions).to.deep.equal([2]);
  });

  it('looks up ids that were said to be new, where one of them is not', async () => {
    const event = buildEvent();
    await store.append([event]);
    const other = buildEvent();
    const enqueue = (one: typeof event): Promise<unknown> =>
      new Promise((resolve) =>
        store.enqueue({
          events: [one],
          bytes: 300,
          fresh: true,
          admitted: true,
          acknowledged: resolve,
          failed: resolve,
        }),
      );
    const [known, stored] = await Promise.all([enqueue(event), enqueue(other)]);
    expect(known).to.include({ position: 1, duplicate: true });
    expect(stored).to.include({ position: 2, duplicate: false });
  });

  it('says so, and reports `os`, where SQLite does not sync as it was told to', async () => {
    await store.close();
    const driver = driverOver(real, (database) => ({
      exec: (sql) => database.exec(sql.replace('synchronous = FULL', 'synchronous = NORMAL')),
    }));
    store = new SqliteStore(pathOf(fresh), parseOptions(pathOf(fresh), {}), () => driver);
    await store.open();
    expect(store.supports.durability).to.equal('os');
    expect((await store.append([buildEvent()])).durability).to.equal('os');
    expect(store.health().notices.join()).to.match(/does not sync/);
  });
});
