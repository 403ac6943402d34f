import { testStore } from '../../plugins/contract/index.ts';
import { withEachDriver } from './drivers.ts';
import { cleanUp, freshStore, pathOf, storeAt } from './files.ts';

const runner = { describe, it, before, after };

describe('sqlite: contract', () => {
  withEachDriver((driver) => {
    const options = { driver, checkOnRead: true };
    testStore(`sqlite with ${driver}`, () => freshStore(options), runner, {
      reopen: (store) => storeAt(pathOf(store), options),
      cleanUp,
    });
  });
});
