import { expect } from 'chai';
import type { Store, TelltaleEvent } from '../../lib/plugin.ts';
import { buildEvent } from '../../plugins/contract/build-event.ts';
import { loadDriver } from '../../plugins/sqlite/drivers.ts';
import { sqliteTarget } from '../../plugins/sqlite/index.ts';
import type { SqliteTarget, SqliteTransaction } from '../../plugins/sqlite/index.ts';
import { parseOptions } from '../../plugins/sqlite/options.ts';
import { SqliteStore } from '../../plugins/sqlite/store.ts';
import { pendingAppend } from '../support/pending-append.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { driverOver } from './driver-over.ts';
import { cleanUp, freshStore, pathOf } from './files.ts';

const about = (entity: string): TelltaleEvent => buildEvent({ entity });

describe('sqlite: appends in the transaction of a target', () => {
  let other: Store;
  let target: SqliteTarget;
  let store: SqliteStore;
  /** What the store's connections are told of the file's version, if anything. */
  let version: unknown;
  /** What fails, once. */
  let failing: string | undefined;
  let set: string[];

  const driver = driverOver(loadDriver(), (database) => ({
    exec: (sql) => {
      if (sql.startsWith('PRAGMA synchronous')) set.push(sql);
      database.exec(sql);
    },
    prepare: (sql, integers) => {
      const statement = database.prepare(sql, integers);
      return {
        get: (parameters) =>
          sql === 'PRAGMA data_version' && version !== undefined
            ? ({ data_version: version } as never)
            : statement.get(parameters),
        all: (parameters) => statement.all(parameters),
        run: (parameters) => {
          if (sql !== failing) return statement.run(parameters);
          failing = undefined;
          throw Object.assign(new Error('injected'), { code: 'SQLITE_FULL' });
        },
      };
    },
  }));

  async function open(durability: { readonly log: 'disk' | 'os'; readonly views: 'disk' | 'os' }): Promise<void> {
    store = new SqliteStore(pathOf(other), parseOptions(pathOf(other), { durability: durability.log }), () => driver);
    await store.open();
    target = sqliteTarget(pathOf(other), { durability: durability.views });
  }

  beforeEach(() => {
    other = freshStore({});
    [version, failing, set] = [undefined, undefined, []];
  });
  afterEach(async () => {
    await target.close();
    await store.close();
    cleanUp(other);
  });

  const within = <T>(work: (tx: SqliteTransaction) => Promise<T>): Promise<T> => {
    let answer: T;
    // oxlint-disable-next-line typescript/no-misused-promises
    return Promise.resolve(target.commit([], async (tx) => (answer = await work(tx)))).then(() => answer);
  };

  for (const [log, views] of [
    ['disk', 'os'],
    ['os', 'disk'],
  ] as const)
    it(`are as durable as that is: log ${log}, target ${views}`, async () => {
      await open({ log, views });
      expect((await store.append([buildEvent()])).durability).to.equal(log);
      const { outcomes } = await within((tx) => store.transactions.append(tx, [pendingAppend([buildEvent()])]));
      expect(outcomes[0]).to.have.property('durability', views);
    });

  it('leave no revision behind where it is taken back', async () => {
    await open({ log: 'disk', views: 'disk' });
    await store.append([about('task/a')]);
    const failed = within(async (tx) => {
      // As it happens that both connections have the same number for it.
      version = tx.get('PRAGMA data_version')!['data_version'];
      await store.transactions.append(tx, [pendingAppend([about('task/a')])]);
      throw new Error('taken back');
    });
    expect(await failed.catch((error: unknown) => error)).to.have.property('message', 'taken back');
    await other.open();
    await other.append([about('task/b')]);
    await other.close();
    expect((await store.append([about('task/a')])).revisions).to.deep.equal([2]);
  });

  it('do not have to be synced because a sync has failed', async () => {
    await open({ log: 'os', views: 'os' });
    await store.append([buildEvent()]);
    failing = 'UPDATE telltale_log SET puts = puts';
    expect((await rejectionOf(store.sync())).message).to.include('injected');
    expect(set.at(-1)).to.equal('PRAGMA synchronous = NORMAL');
  });
});
