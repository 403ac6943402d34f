import { Fifo } from './fifo.ts';
import type { Mailbox } from './mailbox.ts';

interface Entry<T> {
  readonly item: T;
  readonly bytes: number;
  readonly key: string | undefined;
}

/** A mailbox without lanes: the subscription's concurrency alone says how many items run. */
export function createPlainMailbox<T>(): Mailbox<T> {
  const queue = new Fifo<Entry<T>>();
  let bytes = 0;
  const shift = (): Entry<T> | undefined => {
    const entry = queue.shift();
    if (entry) bytes -= entry.bytes;
    return entry;
  };
  return {
    get length() {
      return queue.length;
    },
    get bytes() {
      return bytes;
    },
    acquire: () => queue.length === 0,
    push(item, size, key) {
      queue.push({ item, bytes: size, key });
      bytes += size;
    },
    take: shift,
    release() {},
    evict: () => shift()?.item,
    evictKey(key) {
      const kept: Entry<T>[] = [];
      const evicted: T[] = [];
      for (let entry = shift(); entry; entry = shift()) {
        if (entry.key === key) evicted.push(entry.item);
        else kept.push(entry);
      }
      for (const entry of kept) this.push(entry.item, entry.bytes, entry.key);
      return evicted;
    },
    clear() {
      const items = [...queue].map((entry) => entry.item);
      while (shift());
      return items;
    },
  };
}
