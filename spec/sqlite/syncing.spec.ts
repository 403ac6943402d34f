import { expect } from 'chai';
import type { Store } from '../../lib/plugin.ts';
import { buildEvent } from '../../plugins/contract/build-event.ts';
import { loadDriver } from '../../plugins/sqlite/drivers.ts';
import { parseOptions } from '../../plugins/sqlite/options.ts';
import { SqliteStore } from '../../plugins/sqlite/store.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { driverOver } from './driver-over.ts';
import { withEachDriver } from './drivers.ts';
import { faulty } from './faulty.ts';
import type { Fault } from './faulty.ts';
import { cleanUp, freshStore, pathOf, storeAt } from './files.ts';

/** `PRAGMA synchronous`. */
const [NORMAL, FULL] = [1, 2];

describe('sqlite: what is synced', () => {
  let fresh: Store;
  let store: Store;
  let fault: Fault;
  /** What `synchronous` was at each commit. */
  let commits: unknown[];

  async function open(driver: Parameters<typeof loadDriver>[0], durability: 'disk' | 'os'): Promise<void> {
    fresh = freshStore({});
    fault = () => undefined;
    commits = [];
    const real = driverOver(loadDriver(driver), (database) => ({
      exec: (sql) => {
        if (sql === 'COMMIT') commits.push(database.prepare('PRAGMA synchronous').get([])!['synchronous']);
        database.exec(sql);
      },
    }));
    const watched = faulty((sql, serial) => fault(sql, serial), real);
    const options = parseOptions(pathOf(fresh), { driver, durability });
    store = new SqliteStore(pathOf(fresh), options, () => watched);
    await store.open();
    commits = [];
  }
  afterEach(async () => {
    await store.close();
    cleanUp(fresh);
  });

  withEachDriver((driver) => {
    it(`is each commit at 'disk', and a sync does nothing more, with ${driver}`, async () => {
      await open(driver, 'disk');
      expect((await store.append([buildEvent()])).durability).to.equal('disk');
      await store.putDocument('a', 'b', 1);
      await store.remove([{ from: 1, to: 1 }], 'x');
      await store.sync();
      expect(new Set(commits)).to.deep.equal(new Set([FULL]));
    });

    it(`is none at 'os' but the one of a sync, with ${driver}`, async () => {
      await open(driver, 'os');
      expect((await store.append([buildEvent()])).durability).to.equal('os');
      await store.sync();
      expect((await store.append([buildEvent()])).durability).to.equal('os');
      expect(commits).to.deep.equal([NORMAL, FULL, NORMAL]);
    });

    it(`stays what it was where another connection would change the journal, with ${driver}`, async () => {
      await open(driver, 'disk');
      await store.append([buildEvent()]);
      const other = loadDriver(driver).open(pathOf(fresh));
      other.exec('PRAGMA busy_timeout = 0; PRAGMA synchronous = OFF');
      expect(() => other.prepare('PRAGMA journal_mode = DELETE').all([])).to.throw(/locked/);
      expect((await store.append([buildEvent()])).durability).to.equal('disk');
      expect(new Set(commits)).to.deep.equal(new Set([FULL]));
      expect(other.prepare('PRAGMA journal_mode').get([])).to.deep.include({ journal_mode: 'wal' });
      other.close();
    });

    it(`is the write-ahead log again after another program has changed the journal of a closed log, with ${driver}`, async () => {
      await open(driver, 'disk');
      await store.append([buildEvent()]);
      await store.close();
      const other = loadDriver(driver).open(pathOf(fresh));
      try {
        other.prepare('PRAGMA journal_mode = DELETE').all([]);
      } catch {
        // libsql has the file open until its statements are collected as garbage.
      }
      other.close();
      store = storeAt(pathOf(fresh), { driver });
      await store.open();
      expect((await store.append([buildEvent()])).durability).to.equal('disk');
      const look = loadDriver(driver).open(pathOf(fresh));
      expect(look.prepare('PRAGMA journal_mode').get([])).to.deep.include({ journal_mode: 'wal' });
      look.close();
    });
  });

  it('stops the store where the sync fails, and not with what comes later', async () => {
    await open(undefined, 'os');
    await store.append([buildEvent()]);
    fault = (sql) => (sql === 'COMMIT' ? 'IOERR_FSYNC' : undefined);
    expect((await rejectionOf(store.sync())).code).to.equal('STORE_FAILED');
    fault = () => undefined;
    expect(store.health().status).to.equal('failed');
    expect((await rejectionOf(store.append([buildEvent()]))).code).to.equal('STORE_FAILED');
  });

  it('can be asked for again where it could not be done', async () => {
    await open(undefined, 'os');
    await store.append([buildEvent()]);
    let isHeld = true;
    fault = (sql) => (isHeld && sql === 'BEGIN IMMEDIATE' ? 'FULL' : undefined);
    expect((await rejectionOf(store.sync())).code).to.equal('STORE_UNAVAILABLE');
    isHeld = false;
    await store.sync();
    await store.append([buildEvent()]);
    expect(commits.slice(-2), 'one that failed leaves nothing set').to.deep.equal([FULL, NORMAL]);
  });
});
