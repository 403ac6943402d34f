import { createHash } from 'node:crypto';
import { TelltaleError } from '../errors.ts';
import type { StoredEvent, TelltaleEvent } from '../event/event.ts';
import type { DeadLetter } from '../store/letter.ts';
import type { Store } from '../store/port.ts';

/** The event of a letter, whole. `stored`: as it is in the log. */
export type LetterEvent = { readonly event: TelltaleEvent; readonly position: number };

/** Why a letter cannot be tried again; `forGood` where no later attempt could do better. */
export function retryImpossible(letter: DeadLetter, why: string, forGood: boolean): TelltaleError {
  const text = `dead letter ${letter.id} (\`${letter.eventType}\`) cannot be tried again: ${why}`;
  return new TelltaleError('RETRY_IMPOSSIBLE', text, { details: { letterId: letter.id, forGood } });
}

/** Reads the event back. Throws `RETRY_IMPOSSIBLE` where it is gone or was cut. */
export async function eventOf(letter: DeadLetter, store: Store | undefined): Promise<LetterEvent> {
  const { position, escaped } = letter;
  if (position !== undefined) return { event: await atPosition(letter, position, store), position };
  if (escaped === undefined || createHash('sha256').update(escaped).digest('base64url') !== letter.hash)
    throw retryImpossible(letter, 'the event was too large to be kept whole, and it is not in the log', true);
  return { event: JSON.parse(escaped) as TelltaleEvent, position: 0 };
}

async function atPosition(letter: DeadLetter, position: number, store: Store | undefined): Promise<StoredEvent> {
  const range = { after: position - 1, through: position, descending: false, limit: 1 };
  const page = await store?.page(range);
  const [event] = page?.events ?? [];
  if (event?.id === letter.eventId) return event;
  throw retryImpossible(letter, `its event was removed from the log (position ${position})`, true);
}
