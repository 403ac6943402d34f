import type { Reading } from './api.ts';
import type { Core } from './core.ts';
import { TelltaleError } from './errors.ts';
import { count, get } from './history/lookup.ts';
import { query, type HistoryOptions, type Query } from './history/query.ts';
import type { Store } from './store/port.ts';

/**
 * The reading half of the bus. Every call sees what was emitted before it: it waits for the writes under way, as long
 * as the store takes them. Payloads come in the current version of their schema.
 */
export function createReading(core: Core): Reading {
  const options: HistoryOptions = { clock: core.options.clock, present: (event) => core.schemas.upcast(event) };
  // A store that takes nothing now can still be read; whoever must know calls `flush`.
  const ready = async (): Promise<Store> => {
    const { store } = core.options;
    if (!store) throw new TelltaleError('STORE_REQUIRED', 'reading needs a store, and this bus has none');
    await Promise.allSettled([core.writer?.flush()]);
    return store;
  };
  return {
    get: async (id) => get(await ready(), id, options),
    count: async (selection) => count(await ready(), selection, options),
    query: (given) => {
      const start = async (): Promise<{ readonly answer: Query }> => ({ answer: query(await ready(), given, options) });
      return {
        // oxlint-disable-next-line unicorn/no-thenable -- one call, to be awaited or iterated
        then: (resolve, reject) =>
          start()
            .then(({ answer }) => answer)
            .then(resolve, reject),
        async *[Symbol.asyncIterator]() {
          yield* (await start()).answer;
        },
      };
    },
  };
}
