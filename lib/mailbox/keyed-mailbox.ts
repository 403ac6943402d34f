import { Fifo } from './fifo.ts';
import type { Mailbox } from './mailbox.ts';

interface Entry<T> {
  readonly item: T;
  readonly bytes: number;
  readonly lane: Lane<T>;
  /** Evicted while waiting; its places in the queues are skipped when they come up. */
  gone: boolean;
}

interface Lane<T> {
  readonly key: string;
  readonly queue: Fifo<Entry<T>>;
  busy: boolean;
  waiting: number;
}

/** A mailbox with a lane for each key: in order within a key, independent across keys, fair by turns. */
export function createKeyedMailbox<T>(options: { readonly evicts: boolean }): Mailbox<T> {
  const lanes = new Map<string, Lane<T>>();
  const ready = new Fifo<Lane<T>>();
  // Arrival order over all lanes; kept only where the policy takes the oldest out.
  let arrivals = new Fifo<Entry<T>>();
  let length = 0;
  let bytes = 0;

  const laneOf = (key: string | undefined): Lane<T> => {
    const name = key ?? '';
    let lane = lanes.get(name);
    if (!lane) lanes.set(name, (lane = { key: name, queue: new Fifo(), busy: false, waiting: 0 }));
    return lane;
  };
  const leave = (entry: Entry<T>): T => {
    entry.gone = true;
    entry.lane.waiting--;
    length--;
    bytes -= entry.bytes;
    return entry.item;
  };
  const live = (queue: Fifo<Entry<T>>): Entry<T> | undefined => {
    let entry = queue.shift();
    while (entry?.gone) entry = queue.shift();
    return entry;
  };
  const forgetIfIdle = (lane: Lane<T>): void => {
    if (!lane.busy && lane.waiting === 0 && lanes.get(lane.key) === lane) lanes.delete(lane.key);
  };
  // What was handled stays in `arrivals` until it is swept, so that taking needs no search.
  const arrive = (entry: Entry<T>): void => {
    arrivals.push(entry);
    if (arrivals.length < 1_024 || arrivals.length < 2 * length) return;
    const waiting = [...arrivals].filter((one) => !one.gone);
    arrivals = new Fifo();
    for (const one of waiting) arrivals.push(one);
  };

  return {
    get length() {
      return length;
    },
    get bytes() {
      return bytes;
    },
    acquire(key) {
      const lane = laneOf(key);
      if (lane.busy || lane.waiting > 0) return false;
      lane.busy = true;
      return true;
    },
    push(item, size, key) {
      const lane = laneOf(key);
      const entry: Entry<T> = { item, bytes: size, lane, gone: false };
      lane.queue.push(entry);
      if (options.evicts) arrive(entry);
      // A lane stands in `ready` from its first waiting item until it is taken.
      if (lane.waiting++ === 0 && !lane.busy) ready.push(lane);
      length++;
      bytes += size;
    },
    take() {
      for (let lane = ready.shift(); lane; lane = ready.shift()) {
        const entry = lane.busy ? undefined : live(lane.queue);
        if (!entry) {
          forgetIfIdle(lane);
          continue;
        }
        lane.busy = true;
        return { item: leave(entry), key: lane.key };
      }
      return undefined;
    },
    release(key) {
      const lane = lanes.get(key ?? '');
      if (!lane) return;
      lane.busy = false;
      if (lane.waiting > 0) ready.push(lane);
      forgetIfIdle(lane);
    },
    evict() {
      const entry = live(arrivals);
      if (!entry) return undefined;
      const item = leave(entry);
      while (entry.lane.queue.peek()?.gone) entry.lane.queue.shift();
      return item;
    },
    evictKey(key) {
      const evicted: T[] = [];
      const queue = lanes.get(key ?? '')?.queue ?? new Fifo<Entry<T>>();
      for (let entry = live(queue); entry; entry = live(queue)) evicted.push(leave(entry));
      return evicted;
    },
    clear() {
      const items: T[] = [];
      for (const lane of lanes.values()) {
        for (let entry = live(lane.queue); entry; entry = live(lane.queue)) items.push(leave(entry));
        forgetIfIdle(lane);
      }
      return items;
    },
  };
}
