import type { Reading } from './reading-api.ts';
import type { Core } from './core.ts';
import { causes, effects } from './correlation/chain.ts';
import { join, type JoinPort } from './correlation/join.ts';
import { timeline } from './correlation/read.ts';
import { tree } from './correlation/tree.ts';
import { TelltaleError } from './errors.ts';
import { anomalies } from './history/anomalies.ts';
import { durations } from './history/durations.ts';
import { count, get } from './history/lookup.ts';
import { late } from './history/paged.ts';
import { query, type HistoryOptions } from './history/query.ts';
import { summarize } from './history/summarize.ts';
import { search } from './history/search.ts';
import { createStats } from './history/stats.ts';
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
  const present = presenterOf(core);
  const view = store && viewOf(store, present);
  const stats = store && createStats(store, (undo) => core.life.onClose(undo));
  const history: HistoryOptions = { clock, present, cache: core.cache };
  /** The store, its events as they are stored: filters, searches and figures are about these. */
  const log = async (): Promise<Store> => {
    core.mustAnswer();
    const known = mustHaveStore(store);
    await core.written();
    return known;
  };
  const ready = async (): Promise<Store> => {
    core.mustAnswer();
    const known = mustHaveStore(view);
    await core.written();
    return known;
  };
  const joinPort: JoinPort = {
    clock,
    store: view,
    written: () => core.written(),
    subscribe: (pattern, listener) =>
      listen(core, parseSubscribe(pattern, undefined, core.options.mailbox), listener).undo,
    onClose: (listener) => core.life.onClose(listener),
  };
  return {
    get: async (id) => get(await log(), id, history),
    count: async (selection) => count(await log(), selection, history),
    query: (options) =>
      late(async () => {
        const asked = await log();
        return () => query(asked, options, history);
      }),
    search: (text, options) =>
      late(async () => {
        const asked = await log();
        return () => search(asked, text, options, history);
      }),
    stats: async (options) => {
      await log();
      return mustHaveStore(stats)(options);
    },
    summarize: async (options) => summarize(await ready(), options, { clock }),
    durations: async (options) => durations(await ready(), options, { clock }),
    anomalies: async (options) => anomalies(await ready(), options, { clock }),
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

function mustHaveStore<T>(reader: T | undefined): T {
  if (reader) return reader;
  throw new TelltaleError('STORE_REQUIRED', 'reading needs a store, and this bus has none');
}
