import { isTelltaleError } from '../errors.ts';
import type { StoredEvent, TelltaleEvent } from '../event/event.ts';
import type { Sink, Store } from '../store/port.ts';

/**
 * A store as a sink: a copy with the same ids and positions of its own. What it has already is recognised by its id.
 * An event that it refuses for itself (other content, too large) is told `refused`, and the rest goes on.
 */
export function storeSink(store: Store, refused: (event: StoredEvent, error: unknown) => void): Sink {
  return {
    name: store.name,
    open: (environment) => store.open(environment),
    close: () => store.close(),
    write: async (events) => {
      // Each for itself, in order: a batch of which the store has a part would be refused.
      const outcomes = await Promise.allSettled(events.map((event) => store.append([withoutPlace(event)])));
      const errors = outcomes.map((outcome) =>
        outcome.status === 'rejected' ? (outcome.reason as unknown) : undefined,
      );
      const trouble = errors.find((error) => error !== undefined && !isRefusal(error));
      if (trouble !== undefined) throw trouble as Error;
      for (const [i, error] of errors.entries()) if (error !== undefined) refused(events[i]!, error);
    },
  };
}

// Of the event; everything else is a trouble of the store that may pass.
function isRefusal(error: unknown): boolean {
  return isTelltaleError(error) && /^(?:EVENT_|PAYLOAD_|INVALID_)/.test(error.code);
}

function withoutPlace(stored: StoredEvent): TelltaleEvent {
  const { position: _position, revision: _revision, storedAt: _storedAt, ...event } = stored;
  return event;
}
