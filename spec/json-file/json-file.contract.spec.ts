import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { testStore } from '../../plugins/contract/index.ts';
import { jsonFile } from '../../plugins/json-file/index.ts';
import { MemoryDisk } from '../support/fault-fs.ts';
import { quickFolder } from '../support/quick-folder.ts';
import { storeOn } from './log-on-disk.ts';

const runner = { describe, it, before, after };
const folders: string[] = [];

function newFolder(): string {
  const folder = mkdtempSync(join(quickFolder(), 'telltale-contract-'));
  folders.push(folder);
  return folder;
}

testStore('json-file', () => jsonFile(newFolder()), runner, {
  cleanUp: () => {
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
  },
});

testStore('json-file with segments of 16 events', () => storeOn(new MemoryDisk(), { segmentEvents: 16 }), runner);
