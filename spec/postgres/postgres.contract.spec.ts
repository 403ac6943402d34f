import { testStore } from '../../plugins/contract/index.ts';
import { Stores } from './stores.ts';

const stores = new Stores();

describe('postgres: contract', function () {
  this.timeout(120_000);

  before(async function () {
    await stores.begin(this);
  });

  testStore(
    'postgres',
    () => stores.create(),
    { describe, it, before, after },
    {
      reopen: (store) => stores.again(store),
      cleanUp: (store) => stores.cleanUp(store),
    },
  );
});
