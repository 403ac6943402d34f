import type { Store, StoredEvent } from '../../lib/plugin.ts';
import { counted } from './render/figures.ts';
import type { Look } from './render/text.ts';
import { paint } from './render/text.ts';
import { drawTree, isFailure } from './render/tree.ts';

export interface TreeOptions {
  readonly look: Look;
  /** At most this many events are drawn. */
  readonly limit: number;
}

// What is read of one correlation: enough for every sensible one, little enough for the memory.
const MAX_EVENTS = 20_000;

/** The events of a correlation in log order, at most 20,000. */
export async function correlationEvents(store: Store, correlationId: string): Promise<readonly StoredEvent[]> {
  const events: StoredEvent[] = [];
  for await (const event of store.read({ correlationId })) {
    events.push(event);
    if (events.length >= MAX_EVENTS) break;
  }
  return events;
}

/** A correlation's events as a tree of causes, one line an event, with a last line that says what was left out. */
export async function correlationTree(
  store: Store,
  correlationId: string,
  options: TreeOptions,
): Promise<readonly string[]> {
  return treeLines(await correlationEvents(store, correlationId), options);
}

export function treeLines(events: readonly StoredEvent[], { look, limit }: TreeOptions): readonly string[] {
  const { lines, hidden } = drawTree(look, events, limit);
  if (hidden.length === 0) return lines;
  const failed = hidden.filter(isFailure).length;
  const most = events.length >= MAX_EVENTS ? ' at least' : '';
  const told = `… and${most} ${counted(hidden.length, 'more event', 'more events')}`;
  return [...lines, paint(look, 'dim', failed > 0 ? `${told}, ${failed} of them failed` : told)];
}
