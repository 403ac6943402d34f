import { systemClock, type Clock } from '../../clock.ts';
import { TelltaleError } from '../../errors.ts';
import type { Place } from '../../event/place.ts';
import type { Store } from '../port.ts';
import type { ParsedSelection } from './selection.ts';
import { resolvePlace, type ResolvedPlace } from './resolve-place.ts';

/** The part of the log a query looks at. Bounds include their place, those called `after` do not. */
export interface Window {
  readonly after: number;
  readonly through: number;
  readonly timeFrom?: number;
  readonly timeAfter?: number;
  readonly timeTo?: number;
}

/**
 * Resolves the places of a query, once: `to` is fixed here, or at `ended` by whoever knows where the log ended before.
 * Throws `INVALID_QUERY` for a window that ends before it starts.
 */
export async function resolveWindow(
  { from, after, to }: Pick<ParsedSelection, 'from' | 'after' | 'to'>,
  store: Store,
  clock: Clock = systemClock,
  ended?: number,
): Promise<Window> {
  const head = ended ?? (await store.head()).position;
  const resolve = async (place: Place | undefined, name: string): Promise<ResolvedPlace | undefined> =>
    place === undefined ? undefined : resolvePlace(place, name, { store, clock, head });
  const start = await resolve(from ?? after, from === undefined ? 'after' : 'from');
  const end = await resolve(to, 'to');
  if (start !== undefined && end !== undefined && to !== 'latest') mustNotEndFirst(start, end);
  return { ...lower(start, from !== undefined), ...upper(end, head) };
}

function mustNotEndFirst(start: ResolvedPlace, end: ResolvedPlace): void {
  const positions = 'position' in start && 'position' in end && start.position > end.position;
  const times = 'time' in start && 'time' in end && start.time > end.time;
  if (!positions && !times) return;
  throw new TelltaleError(
    'INVALID_QUERY',
    `expected a window that ends after it starts, got one from ${describe(start)} to ${describe(end)}`,
    { details: { start, end } },
  );
}

function describe(place: ResolvedPlace): string {
  return 'time' in place ? new Date(place.time).toISOString() : `position ${place.position}`;
}

function lower(start: ResolvedPlace | undefined, inclusive: boolean): Pick<Window, 'after' | 'timeFrom' | 'timeAfter'> {
  if (start === undefined) return { after: 0 };
  if ('time' in start) return { after: 0, ...(inclusive ? { timeFrom: start.time } : { timeAfter: start.time }) };
  return { after: inclusive ? Math.max(0, start.position - 1) : start.position };
}

function upper(end: ResolvedPlace | undefined, head: number): Pick<Window, 'through' | 'timeTo'> {
  if (end === undefined) return { through: head };
  if ('time' in end) return { through: head, timeTo: end.time };
  return { through: Math.min(head, end.position) };
}
