/** A process that sweeps a log and kills itself at the N-th change of the disk. Arguments: folder, N, the rules as JSON. */
import { nodeFileSystem, type FileSystem, type OpenFile } from '../../plugins/json-file/file-system.ts';
import { parseOptions } from '../../plugins/json-file/options.ts';
import { JsonFileStore } from '../../plugins/json-file/store.ts';
import { sweepOnce } from './sweep-once.ts';

const [folder = '', nth = '1', rules = '[]'] = process.argv.slice(2);
let counting = false;
let changes = 0;

function count(): void {
  if (counting && ++changes === Number(nth)) process.kill(process.pid, 'SIGKILL');
}

function counted(file: OpenFile): OpenFile {
  return {
    read: (target, position) => file.read(target, position),
    size: () => file.size(),
    close: () => file.close(),
    datasync: () => file.datasync(),
    truncate: (bytes) => (count(), file.truncate(bytes)),
    write: (bytes, position) => (count(), file.write(bytes, position)),
  };
}

const files: FileSystem = {
  ...nodeFileSystem,
  open: async (path, mode) => counted(await nodeFileSystem.open(path, mode)),
  rename: (from, to) => (count(), nodeFileSystem.rename(from, to)),
  unlink: (path) => (count(), nodeFileSystem.unlink(path)),
};

const store = new JsonFileStore(folder, parseOptions(folder, { segmentEvents: 16 }), files, 'killed-sweep');
await store.open();
counting = true;
await sweepOnce(store, JSON.parse(rules) as []);
await store.close();
