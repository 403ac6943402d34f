import { expect } from 'chai';
import { existsSync } from 'node:fs';
import { jsonFile } from '../../plugins/json-file/index.ts';
import { parseOptions } from '../../plugins/json-file/options.ts';
import { JsonFileStore } from '../../plugins/json-file/store.ts';
import { MemoryDisk } from '../support/fault-fs.ts';
import { skip } from '../support/skip.ts';
import { rejection } from './log-on-disk.ts';

describe('json-file: making the folder', () => {
  it('says at once that /proc takes no folder', async function () {
    if (!existsSync('/proc/self/stat')) skip(this, 'a folder in /proc: this platform has none');
    for (const path of ['/proc/telltale', '/proc/telltale/a/b']) {
      const error = await rejection(jsonFile(path).open());
      expect(error.code).to.equal('STORE_PATH');
      expect(error.message).to.include(path).and.include('ENOENT');
    }
  });

  it('makes every missing folder durable in the one above it', async () => {
    const disk = new MemoryDisk();
    const done: string[] = [];
    disk.fault = ({ name, path }) => {
      if (name === 'makeFolder' || name === 'syncFolder') done.push(`${name} ${path}`);
      return undefined;
    };
    const store = new JsonFileStore('/a/b/c', parseOptions('/a/b/c', {}), disk, 'spec');
    await store.open();
    await store.close();
    expect(done.slice(0, 6)).to.deep.equal([
      'makeFolder /a',
      'syncFolder /',
      'makeFolder /a/b',
      'syncFolder /a',
      'makeFolder /a/b/c',
      'syncFolder /a/b',
    ]);
  });

  it('goes on when another process makes the same folder first', async () => {
    const disk = new MemoryDisk();
    disk.fault = ({ name, path }) => {
      if (name === 'makeFolder' && path === '/a') {
        disk.fault = undefined;
        void disk.makeFolder('/a');
      }
      return undefined;
    };
    const store = new JsonFileStore('/a/b', parseOptions('/a/b', {}), disk, 'spec');
    await store.open();
    await store.close();
  });
});
