import { expect } from 'chai';
import type { Store } from '../../lib/plugin.ts';
import { buildEvents } from '../../plugins/contract/build-event.ts';
import type { Connection } from '../../plugins/sqlite/connection.ts';
import { closeConnections, openConnections } from '../../plugins/sqlite/connections.ts';
import { loadDriver } from '../../plugins/sqlite/drivers.ts';
import type { SqliteOptions } from '../../plugins/sqlite/index.ts';
import { parseOptions } from '../../plugins/sqlite/options.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { Child } from './children.ts';
import { withEachDriver } from './drivers.ts';
import { cleanUp, freshStore, pathOf, storeAt } from './files.ts';
import { MIGRATIONS_OF_TESTS } from './migrations-of-tests.ts';

const versionOf = (reader: Connection): unknown =>
  reader.get(`SELECT value FROM telltale_meta WHERE name = 'version'`)!['value'];
const stepsOf = (reader: Connection): unknown =>
  reader.all('SELECT step FROM telltale_steps ORDER BY rowid').map(({ step }) => step);

async function lookInto<T>(
  path: string,
  options: SqliteOptions,
  migrations: Parameters<typeof openConnections>[3],
  look: (reader: Connection) => T,
): Promise<T> {
  const connections = await openConnections(loadDriver(options.driver), path, parseOptions(path, options), migrations);
  try {
    return look(connections.reader);
  } finally {
    closeConnections(connections);
  }
}

describe('sqlite: tables of an older version', () => {
  let store: Store;

  withEachDriver((driver) => {
    function open<T>(
      migrations: Parameters<typeof openConnections>[3],
      look: (reader: Connection) => T,
      readOnly = false,
    ): Promise<T> {
      return lookInto(pathOf(store), { driver, readOnly }, migrations, look);
    }

    describe(`with ${driver}`, () => {
      beforeEach(async () => {
        store = freshStore({ driver });
        await store.open();
        await store.append(buildEvents(3));
        await store.close();
      });
      afterEach(() => cleanUp(store));

      it('are migrated when the log is opened for writing, once', async () => {
        for (let again = 0; again < 2; again++) {
          expect(await open(MIGRATIONS_OF_TESTS, versionOf)).to.equal('3');
          expect(await open(MIGRATIONS_OF_TESTS, stepsOf)).to.deep.equal([2, 3]);
        }
        expect(
          await open(MIGRATIONS_OF_TESTS, (reader) => reader.all('SELECT id FROM telltale_events').length),
        ).to.equal(3);
      });

      it('stay as they are where a step fails', async () => {
        const broken = [MIGRATIONS_OF_TESTS[0]!, (connection: Connection) => connection.exec('CREATE NONSENSE')];
        expect((await rejectionOf(open(broken, versionOf))).code).to.equal('STORE_UNAVAILABLE');
        expect(await open(undefined, versionOf)).to.equal('1');
        expect(
          await open(undefined, (reader) => reader.get(`SELECT 1 FROM sqlite_master WHERE name = 'telltale_steps'`)),
        ).to.equal(undefined);
        expect(await open(MIGRATIONS_OF_TESTS, stepsOf)).to.deep.equal([2, 3]);
      });

      it('are not read as newer ones, and not migrated, by who only reads', async () => {
        const error = await rejectionOf(open(MIGRATIONS_OF_TESTS, versionOf, true));
        expect(error.code).to.equal('STORE_VERSION');
        expect(error.message).to.match(/tables of version 3, found version 1; opened once for writing/);
        expect(await open(undefined, versionOf)).to.equal('1');
      });

      it('are refused by an older telltale when they have been migrated', async () => {
        await open(MIGRATIONS_OF_TESTS, versionOf);
        for (const readOnly of [false, true]) {
          const error = await rejectionOf(storeAt(pathOf(store), { driver, readOnly }).open());
          expect(error.code).to.equal('STORE_VERSION');
          expect(error.message).to.match(/found version 3; a newer telltale wrote them/);
        }
        expect(await open(MIGRATIONS_OF_TESTS, versionOf)).to.equal('3');
      });

      it('are migrated by one of several processes that open the log at once', async () => {
        const children = [1, 2, 3].map(() => new Child('migrate', driver, pathOf(store)));
        await Promise.all(children.map((child) => child.end()));
        expect(children.map(({ lines }) => lines.join())).to.deep.equal(['3', '3', '3']);
        expect(await open(MIGRATIONS_OF_TESTS, stepsOf)).to.deep.equal([2, 3]);
      });
    });
  });
});
