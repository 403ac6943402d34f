import { checkAgainstModel } from '../support/store-model.ts';
import { withEachDriver } from './drivers.ts';
import { cleanUp, freshStore, pathOf, storeAt } from './files.ts';

const RUNS = 70;

describe('sqlite: random commands', () => {
  withEachDriver((driver) => {
    it(`get the answers of the model with ${driver}, also from the file opened anew`, async function () {
      this.timeout(60_000);
      let openings = 0;
      // Every second opening has an index that the one before did not fill.
      const options = () =>
        ({
          driver,
          checkOnRead: true,
          compressAbove: 1_024,
          index: ++openings % 2 === 0 ? ['payload.lane', 'payload.n'] : ['payload.lane'],
        }) as const;
      await checkAgainstModel(
        { create: () => freshStore(options()), reopen: (store) => storeAt(pathOf(store), options()), cleanUp },
        RUNS,
      );
    });
  });
});
