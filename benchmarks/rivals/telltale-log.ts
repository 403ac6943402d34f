import { createBus, jsonFile, type Store, type TelltaleEvent } from '../../lib/index.ts';
import { keepInFlight, type LogRival } from './log-rival.ts';

const EVENT_BYTES = 600;

/** A store for a folder of a round; asked again, the same log. */
export type OpenStore = (folder: string) => Store;

/** The json-file store as the bus uses it: admitted events with ids made here, durable when acknowledged. */
export function telltaleStore(storeIn: OpenStore = jsonFile): LogRival {
  let store: Store;
  const enqueue = (event: TelltaleEvent): Promise<unknown> =>
    new Promise((acknowledged, failed) =>
      store.enqueue({ events: [event], bytes: EVENT_BYTES, fresh: true, admitted: true, acknowledged, failed }),
    );
  return {
    name: 'telltale, the store',
    open: async (folder) => {
      store = storeIn(folder);
      await store.open();
    },
    appendAll: (events, inFlight) => keepInFlight(events, inFlight, enqueue),
    close: () => store.close(),
    count: (folder) => countStored(storeIn(folder)),
  };
}

/** As everybody else uses it: each event is checked, copied, and its id looked up. */
export function telltaleAppend(storeIn: OpenStore = jsonFile): LogRival {
  let store: Store;
  return {
    name: 'telltale, store.append',
    open: async (folder) => {
      store = storeIn(folder);
      await store.open();
    },
    appendAll: (events, inFlight) => keepInFlight(events, inFlight, (event) => store.append([event])),
    close: () => store.close(),
    count: (folder) => countStored(storeIn(folder)),
  };
}

/** The whole way: a bus stamps, admits, dispatches and stores; `publish` resolves when the event is on disk. */
export function telltalePublish(storeIn: OpenStore = jsonFile): LogRival {
  let bus: Awaited<ReturnType<typeof createBus>>;
  return {
    name: 'telltale, bus.publish',
    open: async (folder) => {
      bus = await createBus({ source: 'benchmark', store: storeIn(folder) });
    },
    appendAll: (events, inFlight) => keepInFlight(events, inFlight, ({ type, payload }) => bus.publish(type, payload)),
    close: () => bus.close(),
    count: (folder) => countStored(storeIn(folder)),
  };
}

async function countStored(store: Store): Promise<number> {
  await store.open();
  let count = 0;
  for await (const _ of store.read()) count++;
  await store.close();
  return count;
}
