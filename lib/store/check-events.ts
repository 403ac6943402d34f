import { TelltaleError, expected } from '../errors.ts';
import { admit } from '../event/admission.ts';
import type { Metadata, TelltaleEvent } from '../event/event.ts';
import { checkEntity, checkId, toTime } from '../event/identity.ts';
import { checkType } from '../event/type-name.ts';
import type { PendingAppend } from './port.ts';

/** What an event costs besides its payload and metadata, for bounds in bytes. */
const ENVELOPE_BYTES = 256;
/** Largest event, where a store does not say otherwise. */
export const MAX_EVENT_BYTES = 16 * 1024 * 1024;

export interface CheckedEvents {
  readonly events: readonly TelltaleEvent[];
  readonly bytes: number;
}

/** Checks the envelopes and admits the payloads of events that come from outside. Throws the code of what is wrong. */
export function checkEvents(events: readonly TelltaleEvent[], maxEventBytes: number): CheckedEvents {
  if (!Array.isArray(events) || events.length === 0)
    throw expected('INVALID_OPTION', '`events`', 'an array of at least one event', events);
  return admitEvents((events as readonly TelltaleEvent[]).map(checkEnvelope), maxEventBytes);
}

function admitEvents(events: readonly TelltaleEvent[], maxEventBytes: number): CheckedEvents {
  const admitted = events.map((event) => admitEvent(event, maxEventBytes));
  return { events: admitted.map(({ event }) => event), bytes: admitted.reduce((sum, { bytes }) => sum + bytes, 0) };
}

/** Appends as they can be stored, and the refusals of those that cannot. */
export interface PreparedAppends {
  readonly appends: readonly PendingAppend[];
  readonly refused: ReadonlyMap<PendingAppend, TelltaleError>;
}

const NONE: ReadonlyMap<PendingAppend, TelltaleError> = new Map();

/** Admits what was passed as it is (`payload: 'trust'`) and refuses what is too large, each append for itself. */
export function prepareAppends(appends: readonly PendingAppend[], maxEventBytes: number): PreparedAppends {
  if (appends.every((append) => append.admitted && append.bytes <= maxEventBytes)) return { appends, refused: NONE };
  const refused = new Map<PendingAppend, TelltaleError>();
  const prepared = appends.map((append) => {
    if (append.admitted && append.bytes <= maxEventBytes) return append;
    try {
      return admitAppend(append, maxEventBytes);
    } catch (error) {
      if (!(error instanceof TelltaleError)) throw error;
      refused.set(append, error);
      return append;
    }
  });
  return { appends: prepared, refused };
}

// A batch may be larger than an event may be, and the estimate is only of the whole: each event is looked at again.
function admitAppend(append: PendingAppend, maxEventBytes: number): PendingAppend {
  const { events, bytes } = admitEvents(append.events, maxEventBytes);
  const { expect, fresh } = append;
  const settle = {
    acknowledged: append.acknowledged.bind(append),
    failed: append.failed.bind(append),
  };
  return { events, bytes, fresh, admitted: true, ...(expect === undefined ? {} : { expect }), ...settle };
}

function admitEvent(event: TelltaleEvent, maxEventBytes: number): { event: TelltaleEvent; bytes: number } {
  const payload = admit(event.payload, 'payload', maxEventBytes);
  const metadata = admit(event.metadata, 'metadata', maxEventBytes);
  const bytes = ENVELOPE_BYTES + payload.bytes + metadata.bytes;
  if (bytes > maxEventBytes)
    throw expected('PAYLOAD_TOO_LARGE', `event ${event.id}`, `at most ${maxEventBytes} bytes`, bytes, {
      details: { id: event.id, bytes, maxEventBytes },
    });
  return { event: { ...event, payload: payload.value, metadata: metadata.value as Metadata }, bytes };
}

function checkEnvelope(event: TelltaleEvent): TelltaleEvent {
  if (typeof event !== 'object' || event === null) throw expected('INVALID_OPTION', 'an event', 'an object', event);
  const { entity, causationId, schemaVersion } = event;
  if (!Number.isSafeInteger(schemaVersion) || schemaVersion < 1)
    throw expected('INVALID_OPTION', '`schemaVersion`', 'an integer from 1', schemaVersion);
  return {
    id: checkId(event.id),
    type: checkType(event.type),
    source: checkSource(event.source),
    time: toTime(event.time),
    ...(entity === undefined ? {} : { entity: checkEntity(entity) }),
    correlationId: checkId(event.correlationId),
    ...(causationId === undefined ? {} : { causationId: checkId(causationId) }),
    schemaVersion,
    payload: event.payload,
    metadata: event.metadata,
  };
}

function checkSource(source: unknown): string {
  try {
    return checkId(source);
  } catch {
    throw expected('INVALID_OPTION', '`source`', 'a well-formed string of 1 to 256 bytes', source);
  }
}
