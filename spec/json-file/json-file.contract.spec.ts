import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Store } from '../../lib/plugin.ts';
import { testStore } from '../../plugins/contract/index.ts';
import { jsonFile } from '../../plugins/json-file/index.ts';
import { MemoryDisk } from '../support/fault-fs.ts';
import { quickFolder } from '../support/quick-folder.ts';
import { storeOn } from './log-on-disk.ts';

const runner = { describe, it, before, after };
const folders = new WeakMap<Store, string>();
const disks = new WeakMap<Store, MemoryDisk>();

function inFolder(folder: string): Store {
  const store = jsonFile(folder);
  folders.set(store, folder);
  return store;
}

function onDisk(disk: MemoryDisk): Store {
  const store = storeOn(disk, { segmentEvents: 16 });
  disks.set(store, disk);
  return store;
}

testStore('json-file', () => inFolder(mkdtempSync(join(quickFolder(), 'telltale-contract-'))), runner, {
  reopen: (store) => inFolder(folders.get(store)!),
  cleanUp: (store) => rmSync(folders.get(store)!, { recursive: true, force: true }),
});

// Opened anew from what a power cut leaves, so that nothing it answers with was only in memory.
testStore('json-file with segments of 16 events', () => onDisk(new MemoryDisk()), runner, {
  reopen: (store) => onDisk(disks.get(store)!.powerCut()),
});
