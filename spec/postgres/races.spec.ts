import type { Store } from '../../lib/plugin.ts';
import { describeRaces } from '../support/races.ts';
import { Stores } from './stores.ts';

const stores = new Stores();

describe('postgres: two stores over one log', function () {
  this.timeout(60_000);
  let store: Store;

  before(async function () {
    await stores.begin(this);
  });

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
