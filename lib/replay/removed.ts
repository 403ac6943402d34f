import type { Clock } from '../clock.ts';
import { TelltaleError } from '../errors.ts';
import type { Place } from '../event/place.ts';
import type { RemovedRange, Store } from '../store/port.ts';
import type { ParsedSelection } from '../store/read/selection.ts';
import { resolvePlace } from '../store/read/resolve-place.ts';
import type { Window } from '../store/read/window.ts';

/** How many ranges an error lists. */
const LISTED = 10;

/**
 * The removals within a window. Throws `EVENTS_REMOVED` where `from` or `to` names a removed event by its position or
 * id, and where nothing at all is left of the window. Holes inside a window are no error: the result lists them.
 */
export async function checkRemoved(
  store: Store,
  window: Window,
  { from, to }: Pick<ParsedSelection, 'from' | 'to'>,
  clock: Clock,
): Promise<readonly RemovedRange[]> {
  await mustBeThere(store, from, 'from', clock);
  await mustBeThere(store, to, 'to', clock);
  const { after, through } = window;
  if (through <= after) return [];
  const removed = (await store.removed({ from: after + 1, to: through })).toSorted((a, b) => a.from - b.from);
  if (removed.length > 0 && countRemoved(removed, after, through) === through - after)
    throw gone(`the whole of the window, positions ${after + 1} to ${through}`, removed);
  return removed;
}

/** Throws `EVENTS_REMOVED` where a place names a removed event. */
export async function mustBeThere(store: Store, place: Place | undefined, name: string, clock: Clock): Promise<void> {
  if (place === undefined || !namesAnEvent(place)) return;
  const { position: head } = await store.head();
  const resolved = await resolvePlace(place, name, { store, clock, head });
  if (!('position' in resolved) || resolved.position < 1) return;
  const { position } = resolved;
  const removed = await store.removed({ from: position, to: position });
  if (removed.length > 0) throw gone(`position ${position} (\`${name}\`)`, removed);
}

/** How many positions behind `after` and up to `through` are removed; the ranges do not overlap. */
export function countRemoved(removed: readonly RemovedRange[], after: number, through: number): number {
  let count = 0;
  for (const { from, to } of removed) count += Math.max(0, Math.min(to, through) - Math.max(from, after + 1) + 1);
  return count;
}

// 'earliest', times and checkpoints ask for what is left from there.
function namesAnEvent(place: Place): boolean {
  if (typeof place === 'number') return true;
  return typeof place === 'object' && ('position' in place || 'eventId' in place);
}

function gone(what: string, removed: readonly RemovedRange[]): TelltaleError {
  const told = removed.slice(0, LISTED).map(({ from, to, reason, at }) => {
    const positions = from === to ? `position ${from} is` : `positions ${from} to ${to} are`;
    return `${positions} gone since ${new Date(at).toISOString()} (${reason})`;
  });
  const more = removed.length > LISTED ? `; and ${removed.length - LISTED} more ranges` : '';
  return new TelltaleError('EVENTS_REMOVED', `cannot replay ${what}: ${told.join('; ')}${more}`, {
    details: { removed },
  });
}
