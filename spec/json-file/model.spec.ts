import { checkAgainstModel } from '../support/store-model.ts';
import { MemoryDisk } from '../support/fault-fs.ts';
import { storeOn } from './log-on-disk.ts';

const RUNS = 200;

describe('json-file: random commands', () => {
  it('get the answers of the model, also from what a killed process left', async function () {
    this.timeout(60_000);
    let openings = 0;
    const disks = new WeakMap<object, MemoryDisk>();
    const onDisk = (disk: MemoryDisk): ReturnType<typeof storeOn> => {
      // Every second opening packs what is sealed, and every second has an index that the one before did not write.
      const isEven = ++openings % 2 === 0;
      const index = ['payload.lane', ...(isEven ? ['payload.n'] : [])];
      const store = storeOn(disk, { segmentEvents: 16, compress: isEven, index });
      disks.set(store, disk);
      return store;
    };
    await checkAgainstModel(
      { create: () => onDisk(new MemoryDisk()), reopen: (store) => onDisk(disks.get(store)!.powerCut()) },
      RUNS,
    );
  });
});
