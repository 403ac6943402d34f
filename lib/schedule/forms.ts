import { contentHash } from '../event/content-hash.ts';
import type { Metadata, StoredEvent, TelltaleEvent } from '../event/event.ts';
import { markOf, SCHEDULE_SET, scheduleEntity, type SetMark } from '../store/open-schedules.ts';

interface SetTerms {
  readonly key: string;
  readonly at: number;
  readonly id: string;
  readonly now: number;
}

/** The `$schedule.set` of an admitted event. It belongs to the same chain. */
export function setOf(event: TelltaleEvent, { key, at, id, now }: SetTerms): TelltaleEvent {
  const { entity, schemaVersion, type, metadata, ...rest } = event;
  const mark: SetMark = { key, at, id: event.id, type, schemaVersion, ...(entity !== undefined && { entity }) };
  return Object.freeze({
    ...rest,
    id,
    type: SCHEDULE_SET,
    time: now,
    entity: scheduleEntity(key),
    schemaVersion: 1,
    metadata: withOwn(metadata, { $schedule: Object.freeze(mark) }),
  });
}

/** The event that a `$schedule.set` says, as it is emitted at `now`. */
export function dueOf(set: StoredEvent, now: number): TelltaleEvent {
  const { key, at, id, type, schemaVersion, entity } = markOf(set);
  const { source, correlationId, causationId, payload, metadata } = set;
  const event = {
    id,
    type,
    source,
    time: now,
    ...(entity !== undefined && { entity }),
    correlationId,
    ...(causationId !== undefined && { causationId }),
    schemaVersion,
    payload,
    metadata: withOwn(metadata, { $schedule: { key, at } }),
  };
  // Whatever an upcaster makes of it: who emits it a second time is answered with the first.
  return { ...event, metadata: withOwn(event.metadata, { $content: contentHash(event) }) };
}

function withOwn(metadata: Metadata, own: Readonly<Record<string, unknown>>): Metadata {
  return Object.freeze({ ...metadata, ...own });
}
