import { isTelltaleError } from '../errors.ts';
import type { Place } from '../event/place.ts';
import { resolveStart, type Start } from '../store/read/resolve-start.ts';
import type { ConsumerPort } from './terms.ts';

/** Where a place is in the log. Throws `INVALID_PLACE`. */
export async function startOf(port: ConsumerPort, place: Place, name: string): Promise<Start> {
  // The event it names may still be on its way into the log.
  if (typeof place === 'object' && 'eventId' in place) await port.written();
  return resolveStart(place, name, port);
}

/** Where a target begins that knows nothing: it is new, or what was made of the events was deleted, and none of it must be missing. */
export async function beginningOf(port: ConsumerPort, from: Place, position: number): Promise<number> {
  try {
    return Math.min(position, (await startOf(port, from, 'from')).after);
  } catch (error) {
    if (isTelltaleError(error, 'INVALID_PLACE')) return position;
    throw error;
  }
}
