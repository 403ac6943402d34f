import { expect } from 'chai';
import type { Store } from '../../lib/store/port.ts';
import type { PgResult } from '../../plugins/postgres/driver.ts';
import { Names } from '../../plugins/postgres/names.ts';
import { searchBlocks } from '../../plugins/postgres/search.ts';
import type { Connection } from '../../plugins/sqlite/connection.ts';
import type { DriverName } from '../../plugins/sqlite/driver.ts';
import { loadDriver } from '../../plugins/sqlite/drivers.ts';
import { SearchBlocks } from '../../plugins/sqlite/search.ts';
import { Stores } from '../postgres/stores.ts';
import { withEachDriver } from '../sqlite/drivers.ts';
import { cleanUp, freshStore, pathOf, storeAt } from '../sqlite/files.ts';
import { buildEvents } from '../support/event-builder.ts';
import { ask } from '../support/postgres-server.ts';
import { itSearches, type SearchedStore } from './searching.ts';

async function opened(store: Store): Promise<SearchedStore> {
  await store.open();
  return store as SearchedStore;
}

function entriesIn(driver: DriverName, store: Store): number {
  const database = loadDriver(driver).open(pathOf(store));
  const { count } = database.prepare('SELECT count(*) AS count FROM telltale_search').get([])!;
  database.close();
  return count as number;
}

function execute(driver: DriverName, store: Store, sql: string): void {
  const database = loadDriver(driver).open(pathOf(store));
  database.exec(sql);
  database.close();
}

describe('search with an index of texts', () => {
  it('sees the blocks of one moment: it looks into them with one statement', async () => {
    const asked: string[] = [];
    const query = async (text: string): Promise<PgResult> => {
      asked.push(text);
      return { rows: [], rowCount: 0 };
    };
    const all: Connection['all'] = (sql) => {
      asked.push(sql);
      return [];
    };
    await searchBlocks({ query }, new Names('telltale', '')).look([1, 2], ['', 'abc']);
    await new SearchBlocks({ all } as Connection).look([1, 2], ['', 'abc']);
    expect(asked).to.have.length(2);
  });

  withEachDriver((driver) => {
    describe(`sqlite with ${driver}`, () => {
      itSearches({
        open: (search) => opened(freshStore({ driver, search })),
        beside: (store, search) => opened(storeAt(pathOf(store), { driver, search })),
        clean: cleanUp,
        entries: async (store) => entriesIn(driver, store),
        refuse: (store, block) =>
          execute(
            driver,
            store,
            block === undefined
              ? 'DROP TRIGGER refusing'
              : `CREATE TRIGGER refusing BEFORE INSERT ON telltale_search_blocks WHEN NEW.block = ${block} BEGIN SELECT RAISE(ABORT, 'refused'); END`,
          ),
        damage: (store, position) =>
          execute(
            driver,
            store,
            `UPDATE telltale_events SET payload = '{', packed = NULL WHERE position = ${position}`,
          ),
      });
    });
  });

  describe('postgres', () => {
    const stores = new Stores();
    before(async function () {
      await stores.begin(this);
    });
    itSearches({
      open: (search) => opened(stores.create({ search, partitionEvents: 1_000 })),
      beside: (store, search) => opened(stores.again(store, { search })),
      clean: (store) => stores.cleanUp(store),
      async entries(store) {
        const [row] = await ask<{ count: string }>(
          stores.server,
          `SELECT count(*) FROM "${stores.schemaOf(store)}".search`,
        );
        return Number(row!.count);
      },
      async refuse(store, block) {
        const table = `"${stores.schemaOf(store)}".search_blocks`;
        const change =
          block === undefined ? 'DROP CONSTRAINT refused' : `ADD CONSTRAINT refused CHECK (block <> ${block})`;
        await ask(stores.server, `ALTER TABLE ${table} ${change}`);
      },
      async damage(store, position) {
        const table = `"${stores.schemaOf(store)}".events`;
        await ask(stores.server, `UPDATE ${table} SET payload = '{' WHERE position = $1`, [position]);
      },
    });

    describe('of which a partition is dropped as a whole', () => {
      let store: SearchedStore;
      before(async () => {
        store = await opened(stores.create({ search: true, partitionEvents: 1_000 }));
      });
      after(async () => {
        await store?.close();
        if (store) await stores.cleanUp(store);
      });

      it('forgets its blocks and writes anew what reaches beyond it', async () => {
        await store.append(buildEvents(1_536, { payload: 'heliotrope' }));
        await store.idle();
        await store.remove([{ from: 1, to: 1_000 }], 'test');
        await store.idle();
        const schema = stores.schemaOf(store);
        const [row] = await ask(stores.server, `SELECT to_regclass('"${schema}".events_1') AS partition`);
        expect(row).to.deep.equal({ partition: null });
        const blocks = await ask(stores.server, `SELECT DISTINCT block FROM "${schema}".search ORDER BY block`);
        expect(blocks).to.deep.equal([{ block: 1 }, { block: 2 }]);
      });
    });
  });
});
