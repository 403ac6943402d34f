import type { Store, StoredEvent } from '../../lib/plugin.ts';
import { correlationEvents } from './correlation-tree.ts';

export interface FoundCorrelation {
  readonly kind: 'correlation';
  readonly correlationId: string;
  readonly events: readonly StoredEvent[];
}

export interface FoundEvent {
  readonly kind: 'event';
  readonly event: StoredEvent;
  /** From the first event down to the one that caused it; the log may not have all of them. */
  readonly causes: readonly StoredEvent[];
  /** The event and everything it led to. */
  readonly effects: readonly StoredEvent[];
}

export type Found = FoundCorrelation | FoundEvent | { readonly kind: 'nothing'; readonly similar: readonly string[] };

const SHORTEST_BEGINNING = 4;
const SIMILAR = 3;

/** A correlation or an event by its id, or by a beginning of it that fits only one. */
export async function lookUp(store: Store, text: string): Promise<Found> {
  // A first event's id is also its correlation's: the whole is what one wants to see.
  const found = (await asCorrelation(store, text)) ?? (await asEvent(store, text));
  if (found) return found;
  const beginning = text.replace(/…$/, '');
  const candidates = beginning.length < SHORTEST_BEGINNING ? emptyCandidates() : await beginningWith(store, beginning);
  const ids = candidates.correlations.length > 0 ? candidates.correlations : candidates.events;
  if (ids.length === 1) return lookUp(store, ids[0]!);
  return { kind: 'nothing', similar: ids.slice(0, SIMILAR) };
}

async function asCorrelation(store: Store, correlationId: string): Promise<FoundCorrelation | undefined> {
  const events = await correlationEvents(store, correlationId);
  return events.length > 0 ? { kind: 'correlation', correlationId, events } : undefined;
}

async function asEvent(store: Store, id: string): Promise<FoundEvent | undefined> {
  const event = await byId(store, id);
  if (!event) return undefined;
  const whole = await correlationEvents(store, event.correlationId);
  return { kind: 'event', event, causes: causesOf(event, whole), effects: effectsOf(event, whole) };
}

async function byId(store: Store, id: string): Promise<StoredEvent | undefined> {
  for await (const event of store.read({ ids: [id] })) return event;
  return undefined;
}

function causesOf(event: StoredEvent, whole: readonly StoredEvent[]): StoredEvent[] {
  const known = new Map(whole.map((each) => [each.id, each]));
  const causes: StoredEvent[] = [];
  let next = known.get(event.causationId ?? '');
  while (next && !causes.includes(next)) {
    causes.push(next);
    next = known.get(next.causationId ?? '');
  }
  return causes.toReversed();
}

function effectsOf(event: StoredEvent, whole: readonly StoredEvent[]): StoredEvent[] {
  const effects = new Set([event.id]);
  let size = 0;
  // Effects nearly always stand behind their causes in the log, so one or two rounds find them all.
  while (size < effects.size) {
    size = effects.size;
    for (const { id, causationId } of whole) if (causationId !== undefined && effects.has(causationId)) effects.add(id);
  }
  return whole.filter(({ id }) => effects.has(id));
}

function emptyCandidates(): { correlations: string[]; events: string[] } {
  return { correlations: [], events: [] };
}

async function beginningWith(store: Store, beginning: string) {
  const correlations = new Set<string>();
  const events = new Set<string>();
  for await (const { id, correlationId } of store.read()) {
    if (correlations.size <= SIMILAR && correlationId.startsWith(beginning)) correlations.add(correlationId);
    if (events.size <= SIMILAR && id.startsWith(beginning)) events.add(id);
  }
  return { correlations: [...correlations], events: [...events] };
}
