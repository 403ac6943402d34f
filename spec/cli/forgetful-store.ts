/** Stores on real files with one fault each that only other processes show; `TELLTALE_SPEC_FAULT` says which. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mkdirSync, rmSync } from 'node:fs';
import type { AppendReceipt, Store, StoredEvent } from '../../lib/plugin.ts';
import { nodeFileSystem } from '../../plugins/json-file/file-system.ts';
import type { FileSystem, OpenFile } from '../../plugins/json-file/file-system.ts';
import { parseOptions } from '../../plugins/json-file/options.ts';
import { JsonFileStore } from '../../plugins/json-file/store.ts';
import { sqlite } from '../../plugins/sqlite/index.ts';

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

/** Takes the events of its first batch for appends of their own, and stays between them until its process is killed. */
class Splitting extends JsonFileStore {
  #isBetween = false;

  override async append(...[events, options]: Parameters<JsonFileStore['append']>): Promise<AppendReceipt> {
    if (this.#isBetween || events.length === 1) return super.append(events, options);
    this.#isBetween = true;
    const { duplicate } = await super.append(events.slice(0, 1), options);
    // Who sends a batch again is not to be killed.
    return duplicate ? super.append(events, options) : new Promise(() => undefined);
  }
}

const mine = new Set<string>();

/** Shows each second event that another process has written only when three others have come behind it. */
function hiding(store: Store): Store {
  const append: Store['append'] = (events, options) => {
    for (const { id } of events) mine.add(id);
    return store.append(events, options);
  };
  const page: Store['page'] = async (query) => {
    const [found, { position }] = [await store.page(query), await store.head()];
    const isShown = (event: StoredEvent): boolean =>
      mine.has(event.id) || event.position % 2 === 1 || event.position < position - 2;
    return { ...found, events: found.events.filter(isShown) };
  };
  const changed: Partial<Store> = { append, page };
  return new Proxy(store, {
    get: (target, name) => {
      const member: unknown = Reflect.get(changed, name) ?? Reflect.get(target, name);
      return typeof member === 'function' ? (member.bind(target) as unknown) : member;
    },
  });
}

/** Leaves it at what is compared in front of every store. */
function unfenced(store: Store): Store {
  const { _putDocument: put } = store as unknown as Record<'_putDocument', (...given: unknown[]) => unknown>;
  return Object.assign(store, { _putDocument: (...given: unknown[]) => put.apply(store, given.slice(0, -1)) });
}

const folderOf = (name: string): string => join(tmpdir(), `telltale-forgetful-${name}`);

export function createStore({ name }: { readonly name: string }): Store {
  const folder = folderOf(name);
  mkdirSync(folder, { recursive: true });
  if (process.env['TELLTALE_SPEC_FAULT'] === 'hides') return hiding(sqlite(join(folder, 'log.db')));
  if (process.env['TELLTALE_SPEC_FAULT'] === 'unfenced') return unfenced(sqlite(join(folder, 'log.db')));
  const options = parseOptions(folder, {});
  return process.env['TELLTALE_SPEC_FAULT'] === 'splits'
    ? new Splitting(folder, options, nodeFileSystem, 'spec')
    : new JsonFileStore(folder, options, late, 'spec');
}

export function dropStore({ name }: { readonly name: string }): void {
  rmSync(folderOf(name), { recursive: true, force: true });
}
