import type { Store } from '../../lib/plugin.ts';
import { nodeFileSystem } from './file-system.ts';
import { callerOf } from './lock.ts';
import { parseOptions } from './options.ts';
import type { JsonFileOptions } from './options.ts';
import { JsonFileStore } from './store.ts';

export { inspect } from './inspect.ts';
export type { FolderFault, Inspection } from './inspect.ts';
export type { JsonFileOptions } from './options.ts';
export { salvage } from './salvage.ts';
export type { SalvageReport } from './salvage.ts';

/**
 * A log of events in a folder of JSON lines, for one writer and any number of readers.
 *
 * @param folder made when it is not there; the log is all that should be in it
 * @throws `INVALID_OPTION` at once; `STORE_PATH`, `STORE_LOCKED`, `STORE_CORRUPT`, `STORE_VERSION` from `open`
 */
export function jsonFile(folder: string, options: JsonFileOptions = {}): Store {
  return new JsonFileStore(folder, parseOptions(folder, options), nodeFileSystem, callerOf(jsonFile));
}
