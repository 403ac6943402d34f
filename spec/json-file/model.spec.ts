import { checkAgainstModel } from '../support/store-model.ts';
import { MemoryDisk } from '../support/fault-fs.ts';
import { storeOn } from './log-on-disk.ts';

const RUNS = 200;

describe('json-file: random commands', () => {
  it('get the answers of the model, also from what a killed process left', async function () {
    this.timeout(60_000);
    const disks = new WeakMap<object, MemoryDisk>();
    const onDisk = (disk: MemoryDisk): ReturnType<typeof storeOn> => {
      const store = storeOn(disk, { segmentEvents: 16 });
      disks.set(store, disk);
      return store;
    };
    await checkAgainstModel(
      { create: () => onDisk(new MemoryDisk()), reopen: (store) => onDisk(disks.get(store)!.powerCut()) },
      RUNS,
    );
  });
});
