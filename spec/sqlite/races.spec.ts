import type { Store } from '../../lib/plugin.ts';
import { describeRaces } from '../support/races.ts';
import { withEachDriver } from './drivers.ts';
import { cleanUp, freshStore, pathOf, storeAt } from './files.ts';

describe('sqlite: two stores on one file', function () {
  this.timeout(60_000);

  withEachDriver((driver) => {
    describe(driver, () => {
      let store: Store;

      afterEach(async () => {
        await store.close();
        cleanUp(store);
      });

      describeRaces({
        open: async () => {
          store = freshStore({ driver });
          await store.open();
          return store;
        },
        again: (first) => storeAt(pathOf(first), { driver }),
      });
    });
  });
});
