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
    isFree: () => queue.length === 0,
    lengthOf: () => queue.length,
    hasBehind: () => queue.length > 0,
    acquire: () => queue.length === 0,
    push(item, size, key) {
      queue.push({ item, bytes: size, key });
      bytes += size;
    },
    take: shift,
    takeBehind: () => shift()?.item,
    release() {},
    evict: () => shift()?.item,
    // Without lanes there are no keys to tell apart.
    evictKey: () => [],
    clear() {
      const items = [...queue].map((entry) => entry.item);
      while (shift());
      return items;
    },
  };
}
