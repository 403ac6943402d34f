import type { DriverName } from '../../plugins/sqlite/driver.ts';
import type { ModelledStore } from '../support/store-model.ts';
import { cleanUp, freshStore, pathOf, storeAt } from './files.ts';

/** Stores on files for the model; every second opening has an index that the one before did not fill. */
export function modelledWith(driver: DriverName): ModelledStore {
  let openings = 0;
  const options = () =>
    ({
      driver,
      checkOnRead: true,
      compressAbove: 1_024,
      index: ++openings % 2 === 0 ? ['payload.lane', 'payload.n'] : ['payload.lane'],
    }) as const;
  return { create: () => freshStore(options()), reopen: (store) => storeAt(pathOf(store), options()), cleanUp };
}
