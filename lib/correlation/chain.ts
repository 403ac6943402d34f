import type { StoredEvent } from '../event/event.ts';
import type { Store } from '../store/port.ts';
import { causeIds, readEvent, timeline } from './read.ts';

/**
 * Everything an event came from, nearest first, through `causationId` and `metadata.causes` and across correlations.
 * Empty for a first or an unknown event; causes that are not stored end their branch. Costs one read of each
 * correlation it passes through. Rejects with `INVALID_ID`.
 */
export async function causes(store: Store, id: string): Promise<readonly StoredEvent[]> {
  const loaded = new Map<string, StoredEvent>();
  const load = async (wanted: string): Promise<StoredEvent | undefined> => {
    if (loaded.has(wanted)) return loaded.get(wanted);
    const event = await readEvent(store, wanted);
    if (event !== undefined)
      for (const member of await timeline(store, event.correlationId)) loaded.set(member.id, member);
    return event;
  };
  const event = await load(id);
  const seen = new Set([id]);
  const found: StoredEvent[] = [];
  // The list grows while it is walked: breadth first, without recursion, each event once.
  const walk = event === undefined ? [] : [event];
  for (const effect of walk)
    for (const cause of causeIds(effect)) {
      if (seen.has(cause)) continue;
      seen.add(cause);
      const known = await load(cause);
      if (known === undefined) continue;
      walk.push(known);
      found.push(known);
    }
  return found;
}

export interface EffectsOptions {
  /**
   * `'correlation'`: one read of the event's correlation. `'log'`: one look through everything stored after the
   * event, which also finds effects in other correlations.
   * @default 'correlation'
   */
  readonly within?: 'correlation' | 'log';
}

/** Everything that came from an event, in position order. Empty for an unknown event. Rejects with `INVALID_ID`. */
export async function effects(store: Store, id: string, options: EffectsOptions = {}): Promise<readonly StoredEvent[]> {
  const event = await readEvent(store, id);
  if (event === undefined) return [];
  if (options.within === 'log') return effectsInOrder(id, store.read({ after: event.position }));
  return effectsAmong(id, await timeline(store, event.correlationId));
}

// In a log effects stand behind their causes, so that one pass finds them all.
async function effectsInOrder(id: string, events: AsyncIterable<StoredEvent>): Promise<readonly StoredEvent[]> {
  const known = new Set([id]);
  const found: StoredEvent[] = [];
  for await (const event of events) {
    if (!causeIds(event).some((cause) => known.has(cause))) continue;
    known.add(event.id);
    found.push(event);
  }
  return found;
}

// An imported correlation may hold effects before their causes.
function effectsAmong(id: string, events: readonly StoredEvent[]): readonly StoredEvent[] {
  const byCause = new Map<string, StoredEvent[]>();
  for (const event of events)
    for (const cause of causeIds(event)) {
      const others = byCause.get(cause);
      if (others === undefined) byCause.set(cause, [event]);
      else others.push(event);
    }
  const seen = new Set([id]);
  const found: StoredEvent[] = [];
  for (const cause of seen)
    for (const effect of byCause.get(cause) ?? []) {
      if (seen.has(effect.id)) continue;
      // A set hands out what is added while it is walked.
      seen.add(effect.id);
      found.push(effect);
    }
  return found.toSorted((a, b) => a.position - b.position);
}
