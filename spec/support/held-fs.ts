import type { FileSystem, OpenFile } from '../../plugins/json-file/file-system.ts';

/** One operation that is about to be carried out. */
export interface Step {
  readonly name: 'open' | 'create' | 'read' | 'rename' | 'unlink' | 'list' | 'facts';
  readonly path: string;
}

/** What happens before a step; the step waits for it. */
export type Before = (step: Step) => Promise<void> | undefined;

/** A disk on which something else happens between two steps of one who uses it. */
export function held(disk: FileSystem, before: Before): FileSystem {
  return {
    open: async (path, mode) => {
      await before({ name: mode === 'create' ? 'create' : 'open', path });
      return heldFile(await disk.open(path, mode), path, before);
    },
    rename: async (from, to) => {
      await before({ name: 'rename', path: to });
      return disk.rename(from, to);
    },
    unlink: async (path) => {
      await before({ name: 'unlink', path });
      return disk.unlink(path);
    },
    list: async (folder) => {
      await before({ name: 'list', path: folder });
      return disk.list(folder);
    },
    facts: async (path) => {
      const facts = await disk.facts(path);
      // Behind the answer, which may be outdated when the one who asked gets it.
      await before({ name: 'facts', path });
      return facts;
    },
    link: (from, to) => disk.link(from, to),
    makeFolder: (path) => disk.makeFolder(path),
    syncFolder: (path) => disk.syncFolder(path),
    freeBytes: (path) => disk.freeBytes(path),
    watch: (folder, wake) => disk.watch(folder, wake),
  };
}

function heldFile(file: OpenFile, path: string, before: Before): OpenFile {
  return {
    read: async (target, position) => {
      await before({ name: 'read', path });
      return file.read(target, position);
    },
    write: (bytes, position) => file.write(bytes, position),
    datasync: () => file.datasync(),
    truncate: (bytes) => file.truncate(bytes),
    size: () => file.size(),
    close: () => file.close(),
  };
}
