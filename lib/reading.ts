import type { Reading } from './api.ts';
import type { Core } from './core.ts';
import { causes, effects } from './correlation/chain.ts';
import { join, type JoinPort } from './correlation/join.ts';
import { timeline } from './correlation/read.ts';
import { tree } from './correlation/tree.ts';
import { TelltaleError, toError } from './errors.ts';
import type { StoredEvent } from './event/event.ts';
import { count, get } from './history/lookup.ts';
import { query, type Query } from './history/query.ts';
import { listen } from './listening.ts';
import { parseSubscribe } from './options.ts';
import type { Page, PageQuery, Store } from './store/port.ts';

/**
 * The reading half of the bus. Every call sees what was emitted before it: it waits for the writes under way, as long
 * as the store takes them. Payloads come in the current version of their schema.
 */
export function createReading(core: Core): Reading {
  const { clock, store } = core.options;
  const view = store && viewOf(store, (event) => present(core, event));
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

/** The store as readers see it. Filters have looked at the events as they are stored. */
function viewOf(store: Store, show: (event: StoredEvent) => StoredEvent): Store {
  const page = async (asked: PageQuery): Promise<Page> => {
    const found = await store.page(asked);
    return { ...found, events: found.events.map(show) };
  };
  async function* read(asked?: Partial<PageQuery>): AsyncGenerator<StoredEvent> {
    for await (const event of store.read(asked)) yield show(event);
  }
  return new Proxy(store, {
    get: (target, name) => {
      if (name === 'page') return page;
      if (name === 'read') return read;
      const member: unknown = Reflect.get(target, name);
      return typeof member === 'function' ? (member.bind(target) as unknown) : member;
    },
  });
}

// An old event nobody can bring up to date is told once per type and shown as it is stored, never dropped.
function present(core: Core, event: StoredEvent): StoredEvent {
  try {
    return core.schemas.upcast(event);
  } catch (error) {
    const about = { type: event.type, version: event.schemaVersion, message: toError(error).message };
    core.reports.sayOnce('$bus.upcast.failed', event.type, about);
    return event;
  }
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
