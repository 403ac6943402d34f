import type { Store } from '../../lib/store/port.ts';
import type { DriverName } from '../../plugins/sqlite/driver.ts';
import { loadDriver } from '../../plugins/sqlite/drivers.ts';
import { withEachDriver } from '../sqlite/drivers.ts';
import { cleanUp, freshStore, pathOf, storeAt } from '../sqlite/files.ts';
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

describe('search with an index of texts', () => {
  withEachDriver((driver) => {
    describe(`sqlite with ${driver}`, () => {
      itSearches({
        open: (search) => opened(freshStore({ driver, search })),
        beside: (store, search) => opened(storeAt(pathOf(store), { driver, search })),
        clean: cleanUp,
        entries: async (store) => entriesIn(driver, store),
      });
    });
  });
});
