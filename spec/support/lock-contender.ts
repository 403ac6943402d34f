/**
 * A process that opens logs, one after another, and appends an event to each, each step when it is told to by a line on
 * its standard input. The first line for a log is what `Task` says, as JSON. Says `stalled` where it stops on its way to
 * the lock, then `open` and `appended`, or the code it failed with, and is ready for the next log then.
 */
import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { isTelltaleError } from '../../lib/errors.ts';
import { nodeFileSystem } from '../../plugins/json-file/file-system.ts';
import type { FileSystem, OpenFile } from '../../plugins/json-file/file-system.ts';
import { parseOptions } from '../../plugins/json-file/options.ts';
import { JsonFileStore } from '../../plugins/json-file/store.ts';
import { event } from '../json-file/log-on-disk.ts';
import { failure } from './fault-fs.ts';

interface Task {
  readonly folder: string;
  /**
   * `draft` stops before it links its lock, `in-place` (a disk without hard links) before it writes its lock.
   */
  readonly stallAt: 'draft' | 'in-place' | 'nowhere';
}

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

function say(word: string): void {
  writeSync(1, `${word}\n`);
}

async function told(word: string): Promise<void> {
  say(word);
  await lines.next();
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

const draft: Partial<FileSystem> = {
  link: async (from, to) => {
    await told('stalled');
    return nodeFileSystem.link(from, to);
  },
};

const inPlace = (folder: string): Partial<FileSystem> => ({
  link: (_, to) => Promise.reject(failure('ENOTSUP', to)),
  open: async (path, mode) => {
    const file = await nodeFileSystem.open(path, mode);
    return mode === 'create' && path === join(folder, 'lock') ? stalling(file) : file;
  },
});

async function contend({ folder, stallAt }: Task): Promise<void> {
  const disk = { nowhere: {}, draft, 'in-place': inPlace(folder) }[stallAt];
  const files = { ...nodeFileSystem, ...disk };
  const store = new JsonFileStore(folder, parseOptions(folder, {}), files, 'lock-contender');
  try {
    await store.open();
    await told('open');
    await store.append([event()]);
    say('appended');
  } catch (error) {
    say(isTelltaleError(error) ? error.code : String(error));
  }
}

for (let line = await lines.next(); !line.done; line = await lines.next())
  await contend(JSON.parse(line.value) as Task);
