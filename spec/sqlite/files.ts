import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Store } from '../../lib/plugin.ts';
import { sqlite } from '../../plugins/sqlite/index.ts';
import type { SqliteOptions } from '../../plugins/sqlite/index.ts';
import { quickFolder } from '../support/quick-folder.ts';

const paths = new WeakMap<Store, string>();

/** A store over a new file in a folder of its own. */
export function freshStore(options: SqliteOptions): Store {
  return storeAt(join(mkdtempSync(join(quickFolder(), 'telltale-sqlite-')), 'log.db'), options);
}

export function storeAt(path: string, options: SqliteOptions): Store {
  return placed(sqlite(path, options), path);
}

/** For a store that was made in another way. */
export function placed(store: Store, path: string): Store {
  paths.set(store, path);
  return store;
}

export function pathOf(store: Store): string {
  return paths.get(store)!;
}

export function cleanUp(store: Store): void {
  rmSync(join(pathOf(store), '..'), { recursive: true, force: true });
}
