import { TelltaleError } from '../errors.ts';
import { admit } from '../event/admission.ts';
import { contentHash } from '../event/content-hash.ts';
import type { Metadata, StoredEvent } from '../event/event.ts';

/**
 * The stored event with other payload, metadata and schemaVersion. What places it (id, type, entity, correlation,
 * time, position) stays, and `metadata.$content` keeps the hash of the first content, so that a late retry of the
 * same append is still a duplicate. Throws `EVENT_CONFLICT` when the event is not there, `PAYLOAD_*`.
 */
export function rewritten(stored: StoredEvent | undefined, event: StoredEvent, maxBytes: number): StoredEvent {
  if (stored?.id !== event.id)
    throw new TelltaleError(
      'EVENT_CONFLICT',
      `expected event ${event.id} at position ${event.position}, found ${stored?.id ?? 'nothing'}`,
      { details: { position: event.position, expected: event.id, actual: stored?.id } },
    );
  const metadata = { ...event.metadata, $content: contentHash(stored) };
  return Object.freeze({
    ...stored,
    schemaVersion: event.schemaVersion,
    payload: admit(event.payload, 'payload', maxBytes).value,
    metadata: admit(metadata, 'metadata', maxBytes).value as Metadata,
  });
}
