import type { StoredEvent } from '../event/event.ts';
import type { StoreSize } from './port.ts';

const SLICE_EVENTS = 256;

/** Size by reading everything: for a store that keeps no count of its own. Costs as much as a whole replay. */
export async function countSize(events: AsyncIterable<StoredEvent>): Promise<StoreSize> {
  let count = 0;
  let originalBytes = 0;
  for await (const event of events) {
    if (++count % SLICE_EVENTS === 0) await new Promise((resolve) => setImmediate(resolve));
    originalBytes += Buffer.byteLength(JSON.stringify(event));
  }
  return { events: count, storedBytes: originalBytes, originalBytes };
}
