import { createBus, jsonFile, type Store } from '../../lib/index.ts';
import { keepInFlight, type LogRival } from './log-rival.ts';

/** The json-file store by itself: one append an event, durable when it is acknowledged. */
export function telltaleStore(): LogRival {
  let store: Store;
  return {
    name: 'telltale, store.append',
    open: async (folder) => {
      store = jsonFile(folder);
      await store.open();
    },
    appendAll: (events, inFlight) => keepInFlight(events, inFlight, (event) => store.append([event])),
    close: () => store.close(),
    count: countStored,
  };
}

/** The whole way: a bus stamps, admits, dispatches and stores; `publish` resolves when the event is on disk. */
export function telltalePublish(): LogRival {
  let bus: Awaited<ReturnType<typeof createBus>>;
  return {
    name: 'telltale, bus.publish',
    open: async (folder) => {
      bus = await createBus({ source: 'benchmark', store: jsonFile(folder) });
    },
    appendAll: (events, inFlight) => keepInFlight(events, inFlight, ({ type, payload }) => bus.publish(type, payload)),
    close: () => bus.close(),
    count: countStored,
  };
}

async function countStored(folder: string): Promise<number> {
  const store = jsonFile(folder);
  await store.open();
  let count = 0;
  for await (const _ of store.read()) count++;
  await store.close();
  return count;
}
