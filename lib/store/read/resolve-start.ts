import type { Clock } from '../../clock.ts';
import { expected } from '../../errors.ts';
import type { Place } from '../../event/place.ts';
import type { Store } from '../port.ts';
import { checkPlace, resolvePlace } from './resolve-place.ts';

/** Where somebody who follows the log begins. */
export interface Start {
  /** Exclusive: what lies behind this position. */
  readonly after: number;
  /** Of that, what was stored from this time on; set where the time is still to come. */
  readonly storedFrom?: number;
}

/**
 * Where a place is for those who follow the log: inclusive, times compared with `storedAt`. The head is looked up at
 * once, so `'latest'` is the newest event stored at the call. Rejects with what `resolvePlace` throws, and with
 * `INVALID_PLACE` behind the next event to come: what is stored before it would be passed over without a word.
 */
export async function resolveStart(
  place: Place,
  name: string,
  { store, clock }: { readonly store: Store; readonly clock: Clock },
): Promise<Start> {
  checkPlace(place, name);
  const head = await store.head();
  const found = await resolvePlace(place, name, { store, clock, head: head.position });
  if ('position' in found) return { after: Math.max(0, inReach(found.position, name, head.position) - 1) };
  if (found.time > head.storedAt) return { after: head.position, storedFrom: found.time };
  return { after: await lastStoredBefore(store, found.time, head.position) };
}

function inReach(position: number, name: string, head: number): number {
  if (position <= head + 1) return position;
  const expectation = `at most ${head + 1}, the next one to come: the log ends at ${head}`;
  throw expected('INVALID_PLACE', `the position \`${name}\``, expectation, position, { details: { head } });
}

/** `storedAt` never falls with the position, so a binary search finds the last event before `time`; 0 for none. */
async function lastStoredBefore(store: Store, time: number, head: number): Promise<number> {
  let low = 0;
  for (let high = head; low < high;) {
    const middle = Math.floor((low + high) / 2);
    const { events } = await store.page({ after: middle, through: high, descending: false, limit: 1 });
    const [first] = events;
    if (first !== undefined && first.storedAt < time) low = first.position;
    else high = middle;
  }
  return low;
}
