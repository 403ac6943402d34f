/** Stores on real files with one fault each that only a kill shows; `TELLTALE_SPEC_FAULT` says which. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rmSync } from 'node:fs';
import type { Store, StoredEvent } from '../../lib/plugin.ts';
import { nodeFileSystem } from '../../plugins/json-file/file-system.ts';
import type { FileSystem, OpenFile } from '../../plugins/json-file/file-system.ts';
import { parseOptions } from '../../plugins/json-file/options.ts';
import { JsonFileStore } from '../../plugins/json-file/store.ts';

/** Says that it has written what it writes only once somebody asks for it. */
const late: FileSystem = {
  ...nodeFileSystem,
  open: async (path, mode) => {
    const file = await nodeFileSystem.open(path, mode);
    return mode === 'update' ? writingLate(file) : file;
  },
};

function writingLate(file: OpenFile): OpenFile {
  let unwritten: (() => Promise<unknown>)[] = [];
  const after = async <T>(work: () => Promise<T>): Promise<T> => {
    const writes = unwritten;
    unwritten = [];
    for (const write of writes) await write();
    return work();
  };
  return {
    read: (target, position) => after(() => file.read(target, position)),
    datasync: async () => undefined,
    truncate: (bytes) => after(() => file.truncate(bytes)),
    size: () => after(() => file.size()),
    close: () => after(() => file.close()),
    write: async (bytes, position) => {
      const copy = Buffer.from(bytes);
      unwritten.push(() => file.write(copy, position));
      return bytes.length;
    },
  };
}

/** Takes the events of a batch for appends of their own, with a moment between them. */
class Splitting extends JsonFileStore {
  protected override async _append(records: readonly StoredEvent[]): Promise<void> {
    for (const record of records) {
      await super._append([record], [1]);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

const folderOf = (name: string): string => join(tmpdir(), `telltale-forgetful-${name}`);

export function createStore({ name }: { readonly name: string }): Store {
  const folder = folderOf(name);
  const options = parseOptions(folder, {});
  return process.env['TELLTALE_SPEC_FAULT'] === 'splits'
    ? new Splitting(folder, options, nodeFileSystem, 'spec')
    : new JsonFileStore(folder, options, late, 'spec');
}

export function dropStore({ name }: { readonly name: string }): void {
  rmSync(folderOf(name), { recursive: true, force: true });
}
