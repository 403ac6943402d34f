import type { StoredEvent } from '../event/event.ts';
import { checkId } from '../event/identity.ts';
import type { Store } from '../store/port.ts';

/** All events of a correlation in position order; none where there is no such correlation. Rejects with `INVALID_ID`. */
export async function timeline(store: Store, correlationId: string): Promise<readonly StoredEvent[]> {
  const events: StoredEvent[] = [];
  // Without this check, a correlation that is undefined would be no condition at all.
  checkId(correlationId, 'the correlation id');
  for await (const event of store.read({ correlationId })) events.push(event);
  return events;
}

/** The stored event with this id; `undefined` where there is none (any more). Rejects with `INVALID_ID`. */
export async function readEvent(store: Store, id: string): Promise<StoredEvent | undefined> {
  const known = (await store.find([checkId(id)])).get(id);
  if (known === undefined) return undefined;
  const { position } = known;
  return (await store.page({ after: position - 1, through: position, descending: false, limit: 1 })).events[0];
}

/** Ids of everything an event came from, the direct cause first. */
export function causeIds({ id, causationId, metadata }: StoredEvent): readonly string[] {
  const others: readonly unknown[] = Array.isArray(metadata.causes) ? metadata.causes : [];
  const named = new Set([causationId, ...others]);
  return [...named].filter((cause): cause is string => typeof cause === 'string' && cause !== id);
}
