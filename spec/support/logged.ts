import type { StoredEvent, Store } from '../../lib/plugin.ts';

/** Everything a store holds, in position order; the bus's own letters left out unless asked for. */
export async function logged(store: Store, letters = false): Promise<readonly StoredEvent[]> {
  const events: StoredEvent[] = [];
  for await (const event of store.read()) if (letters || !event.type.startsWith('$')) events.push(event);
  return events;
}
