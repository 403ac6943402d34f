import type { Reading } from './api.ts';
import type { Core } from './core.ts';
import { causes, effects } from './correlation/chain.ts';
import { join, type JoinPort } from './correlation/join.ts';
import { timeline } from './correlation/read.ts';
import { tree } from './correlation/tree.ts';
import { TelltaleError } from './errors.ts';
import { count, get } from './history/lookup.ts';
import { query, type Query } from './history/query.ts';
import { listen } from './listening.ts';
import { parseSubscribe } from './options.ts';
import { presenterOf, viewOf } from './presenting.ts';
import type { Store } from './store/port.ts';

/**
 * The reading half of the bus. Every call sees what was emitted before it: it waits for the writes under way, as long
 * as the store takes them. Payloads come in the current version of their schema.
 */
export function createReading(core: Core): Reading {
  const { clock, store } = core.options;
  const view = store && viewOf(store, presenterOf(core));
  // A store that takes nothing now can still be read; whoever must know calls `flush`.
  const written = (): Promise<unknown> => Promise.allSettled([core.writer?.flush()]);
  const ready = async (): Promise<Store> => {
    if (!view) throw new TelltaleError('STORE_REQUIRED', 'reading needs a store, and this bus has none');
    await written();
    return view;
  };
  const joinPort: JoinPort = {
    clock,
    store: view,
    written,
    subscribe: (pattern, listener) =>
      listen(core, parseSubscribe(pattern, undefined, core.options.mailbox), listener).undo,
    onClose: (listener) => core.onClose(listener),
  };
  return {
    get: async (id) => get(await ready(), id),
    count: async (selection) => count(await ready(), selection, { clock }),
    query: (given) =>
      lateQuery(async () => {
        const asked = await ready();
        return () => query(asked, given, { clock });
      }),
    timeline: async (correlationId) => timeline(await ready(), correlationId),
    tree: async (id) => tree(await ready(), id),
    causes: async (id) => causes(await ready(), id),
    effects: async (id, options) => effects(await ready(), id, options),
    join: (correlationId, wanted, options) => {
      const joined = join(joinPort, correlationId, wanted, options);
      // Whoever awaits it sees the rejection too; one that nobody awaits must not end the process when the bus closes.
      joined.catch(() => undefined);
      return joined;
    },
  };
}

// A query is itself awaitable, so it passes through promises in a function.
function lateQuery(start: () => Promise<() => Query>): Query {
  return {
    // oxlint-disable-next-line unicorn/no-thenable -- one call, to be awaited or iterated
    then: (resolve, reject) =>
      start()
        .then((answer) => answer())
        .then(resolve, reject),
    async *[Symbol.asyncIterator]() {
      yield* (await start())();
    },
  };
}
