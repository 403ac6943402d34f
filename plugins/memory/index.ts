import type { Store } from '../../lib/plugin.ts';
import { MemoryStore } from './memory-store.ts';
import { parseOptions } from './options.ts';
import type { MemoryOptions } from './options.ts';

export type { MemoryOptions } from './options.ts';

/** A store that lives and dies with the process. Throws `INVALID_OPTION`. */
export function memory(options: MemoryOptions = {}): Store {
  return new MemoryStore(parseOptions(options));
}
