import { createBus, jsonFile, type Store, type TelltaleEvent } from '../../lib/index.ts';
import { keepInFlight, type LogRival } from './log-rival.ts';

const EVENT_BYTES = 600;

/** The json-file store as the bus uses it: admitted events with ids made here, durable when acknowledged. */
export function telltaleStore(): LogRival {
  let store: Store;
  const enqueue = (event: TelltaleEvent): Promise<unknown> =>
    new Promise((acknowledged, failed) =>
      store.enqueue({ events: [event], bytes: EVENT_BYTES, fresh: true, admitted: true, acknowledged, failed }),
    );
  return {
    name: 'telltale, the store',
    open: async (folder) => {
      store = jsonFile(folder);
      await store.open();
    },
    appendAll: (events, inFlight) => keepInFlight(events, inFlight, enqueue),
    close: () => store.close(),
    count: countStored,
  };
}

/** As everybody else uses it: each event is checked, copied, and its id looked up. */
export function telltaleAppend(): LogRival {
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
