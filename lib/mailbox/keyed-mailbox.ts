import { Fifo } from './fifo.ts';
import type { Mailbox } from './mailbox.ts';

interface Entry<T> {
  /** Undefined once it has left: its places in the queues are skipped, and hold on to nothing. */
  item: T | undefined;
  readonly bytes: number;
  readonly lane: Lane<T>;
}

interface Lane<T> {
  readonly key: string;
  readonly queue: Fifo<Entry<T>>;
  /** One of its items is being handled. */
  busy: boolean;
  /** It stands in `ready`. */
  listed: boolean;
  waiting: number;
}

/** Dead places that a queue may hold before it is swept. */
const SWEEP_FROM = 1_024;

/**
 * A mailbox with a lane for each key: in order within a key, independent across keys, fair by turns. Capacity: what
 * it keeps beside the waiting items (lanes, turns, arrivals) is bounded by twice their number.
 */
export function createKeyedMailbox<T extends object>(options: { readonly evicts: boolean }): Mailbox<T> {
  return new KeyedMailbox<T>(options.evicts);
}

class KeyedMailbox<T extends object> implements Mailbox<T> {
  readonly #lanes = new Map<string, Lane<T>>();
  /** Lanes with something to take, by turns; each stands in it once. */
  readonly #ready = new Fifo<Lane<T>>();
  /** Arrival order over all lanes; kept only where the policy takes the oldest out. */
  readonly #arrivals = new Fifo<Entry<T>>();
  readonly #evicts: boolean;
  #length = 0;
  #bytes = 0;

  constructor(evicts: boolean) {
    this.#evicts = evicts;
  }

  get length(): number {
    return this.#length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  isFree(key: string | undefined): boolean {
    const lane = this.#lanes.get(key ?? '');
    return lane === undefined || isFree(lane);
  }

  lengthOf(key: string | undefined): number {
    return this.#lanes.get(key ?? '')?.waiting ?? 0;
  }

  hasBehind(key: string | undefined): boolean {
    return this.lengthOf(key) > 0;
  }

  acquire(key: string | undefined): boolean {
    const lane = this.#laneOf(key);
    if (!isFree(lane)) return false;
    lane.busy = true;
    return true;
  }

  push(item: T, bytes: number, key: string | undefined): void {
    const lane = this.#laneOf(key);
    const entry: Entry<T> = { item, bytes, lane };
    lane.queue.push(entry);
    lane.waiting++;
    this.#length++;
    this.#bytes += bytes;
    if (this.#evicts) this.#arrive(entry);
    if (!lane.busy) this.#list(lane);
  }

  take(): { readonly item: T; readonly key: string } | undefined {
    for (let lane = this.#ready.shift(); lane; lane = this.#ready.shift()) {
      lane.listed = false;
      // Its items may have been evicted since.
      if (lane.waiting === 0) continue;
      lane.busy = true;
      return { item: this.#leave(next(lane.queue)!), key: lane.key };
    }
    return undefined;
  }

  takeBehind(key: string | undefined): T | undefined {
    const lane = this.#lanes.get(key ?? '');
    return lane && lane.waiting > 0 ? this.#leave(next(lane.queue)!) : undefined;
  }

  release(key: string | undefined): void {
    const lane = this.#lanes.get(key ?? '');
    if (!lane) return;
    lane.busy = false;
    if (lane.waiting > 0) this.#list(lane);
    else this.#forgetIfIdle(lane);
  }

  evict(): T | undefined {
    const entry = next(this.#arrivals);
    if (!entry) return undefined;
    const item = this.#leave(entry);
    // The oldest of all is the first of its lane.
    entry.lane.queue.shift();
    this.#forgetIfIdle(entry.lane);
    return item;
  }

  evictKey(key: string | undefined): readonly T[] {
    const lane = this.#lanes.get(key ?? '');
    if (!lane) return [];
    const items = this.#empty(lane);
    this.#forgetIfIdle(lane);
    return items;
  }

  clear(): readonly T[] {
    const items = [...this.#lanes.values()].flatMap((lane) => this.#empty(lane));
    for (const lane of this.#lanes.values()) this.#forgetIfIdle(lane);
    return items;
  }

  #laneOf(key = ''): Lane<T> {
    let lane = this.#lanes.get(key);
    if (!lane) {
      lane = { key, queue: new Fifo(), busy: false, listed: false, waiting: 0 };
      this.#lanes.set(key, lane);
    }
    return lane;
  }

  #leave(entry: Entry<T>): T {
    const item = entry.item!;
    entry.item = undefined;
    entry.lane.waiting--;
    this.#length--;
    this.#bytes -= entry.bytes;
    return item;
  }

  #empty(lane: Lane<T>): T[] {
    const items: T[] = [];
    for (let entry = next(lane.queue); entry; entry = next(lane.queue)) items.push(this.#leave(entry));
    return items;
  }

  #forgetIfIdle(lane: Lane<T>): void {
    if (isFree(lane)) this.#lanes.delete(lane.key);
  }

  // A forgotten lane keeps its place until its turn or the next sweep; its key may have a new lane by then.
  #list(lane: Lane<T>): void {
    if (lane.listed) return;
    lane.listed = true;
    this.#ready.push(lane);
    if (this.#ready.length >= SWEEP_FROM && this.#ready.length > 2 * this.#lanes.size) {
      this.#ready.retain((one) => {
        one.listed = !one.busy && one.waiting > 0;
        return one.listed;
      });
    }
  }

  #arrive(entry: Entry<T>): void {
    this.#arrivals.push(entry);
    if (this.#arrivals.length >= SWEEP_FROM && this.#arrivals.length > 2 * this.#length) {
      this.#arrivals.retain(({ item }) => item !== undefined);
    }
  }
}

const isFree = (lane: Pick<Lane<object>, 'busy' | 'waiting'>): boolean => !lane.busy && lane.waiting === 0;

function next<T>(queue: Fifo<Entry<T>>): Entry<T> | undefined {
  let entry = queue.shift();
  while (entry !== undefined && entry.item === undefined) entry = queue.shift();
  return entry;
}
