/**
 * A process that opens a log and appends one event, each step when it is told to by a line on its standard input. Says
 * `stalled` where it stops on its way to the lock, then `open` and `appended`, or the code it failed with. Arguments:
 * the folder; `draft` (stops before it links its lock), `in-place` (a disk without hard links: stops before it writes
 * its lock) or `nowhere`.
 */
import { once } from 'node:events';
import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { isTelltaleError } from '../../lib/errors.ts';
import { nodeFileSystem } from '../../plugins/json-file/file-system.ts';
import type { FileSystem, OpenFile } from '../../plugins/json-file/file-system.ts';
import { parseOptions } from '../../plugins/json-file/options.ts';
import { JsonFileStore } from '../../plugins/json-file/store.ts';
import { event } from '../json-file/log-on-disk.ts';
import { failure } from './fault-fs.ts';

const [folder = '', stallAt = 'nowhere'] = process.argv.slice(2);

async function told(word: string): Promise<void> {
  writeSync(1, `${word}\n`);
  await once(process.stdin, 'data');
}

function stalling(file: OpenFile): OpenFile {
  return {
    read: (target, position) => file.read(target, position),
    datasync: () => file.datasync(),
    truncate: (bytes) => file.truncate(bytes),
    size: () => file.size(),
    close: () => file.close(),
    write: async (bytes, position) => {
      await told('stalled');
      return file.write(bytes, position);
    },
  };
}

const disks: Readonly<Record<string, Partial<FileSystem>>> = {
  nowhere: {},
  draft: {
    link: async (from, to) => {
      await told('stalled');
      return nodeFileSystem.link(from, to);
    },
  },
  'in-place': {
    link: (_, to) => Promise.reject(failure('ENOTSUP', to)),
    open: async (path, mode) => {
      const file = await nodeFileSystem.open(path, mode);
      return mode === 'create' && path === join(folder, 'lock') ? stalling(file) : file;
    },
  },
};

const files = { ...nodeFileSystem, ...disks[stallAt] };
const store = new JsonFileStore(folder, parseOptions(folder, {}), files, 'lock-contender');
try {
  await store.open();
  await told('open');
  await store.append([event()]);
  await told('appended');
} catch (error) {
  await told(isTelltaleError(error) ? error.code : String(error));
}
process.exit();
