import type { Store } from '../../lib/plugin.ts';
import { describeRaces } from '../support/races.ts';
import { storesOfSuite } from './stores.ts';

describe('postgres: two stores over one log', function () {
  this.timeout(60_000);
  const stores = storesOfSuite();
  let store: Store;

  afterEach(async () => {
    await store.close();
    await stores.cleanUp(store);
  });

  describeRaces({
    open: async () => {
      store = stores.create();
      await store.open();
      return store;
    },
    again: (first) => stores.again(first),
  });
});
