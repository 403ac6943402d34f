import type { Store } from './port.ts';

interface Served {
  readonly keys: Set<string>;
  readonly listeners: Set<(key: string) => void>;
}

/** Documents of a store that is not shared which others write through this process all the same, as workers do. */
const served = new WeakMap<Store, Served>();

/** Does what somebody elsewhere wants of a document, which counts as written by others from now on. */
export async function servingDocument<T>(store: Store, name: string, step: () => Promise<T>): Promise<T> {
  const { keys, listeners } = servedOf(store);
  if (keys.has(name)) return step();
  // Before the step: whoever reads what it wrote knows already where it comes from.
  keys.add(name);
  try {
    return await step();
  } finally {
    for (const listener of listeners) listener(name);
  }
}

/** Is it written through this process by others? */
export function isServed(store: Store, name: string): boolean {
  return served.get(store)?.keys.has(name) === true;
}

/** Calls back when others have written a document through this process for the first time; answers the undo. */
export function onServed(store: Store, listener: (name: string) => void): () => void {
  const { listeners } = servedOf(store);
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

/** How a document is called here. */
export const documentName = (collection: string, key: string): string => `${collection}/${key}`;

function servedOf(store: Store): Served {
  let one = served.get(store);
  if (!one) served.set(store, (one = { keys: new Set(), listeners: new Set() }));
  return one;
}
