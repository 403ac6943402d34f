import { checkAgainstModel } from '../support/store-model.ts';
import { withEachDriver } from './drivers.ts';
import { modelledWith } from './modelled.ts';

const RUNS = 70;

describe('sqlite: random commands', () => {
  withEachDriver((driver) => {
    it(`get the answers of the model with ${driver}, also from the file opened anew`, async function () {
      this.timeout(60_000);
      await checkAgainstModel(modelledWith(driver), RUNS);
    });
  });
});
