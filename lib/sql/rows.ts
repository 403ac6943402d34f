import type { Metadata, StoredEvent } from '../event/event.ts';

/** A stored event as the SQL stores have it. Payload and metadata are exact JSON text, so that they round-trip. */
export interface EventRow {
  readonly position: number;
  readonly id: string;
  readonly type: string;
  readonly source: string;
  /** Epoch ms with fractions. */
  readonly time: number;
  readonly entity: string | null;
  readonly revision: number;
  readonly correlation_id: string;
  readonly causation_id: string | null;
  readonly schema_version: number;
  readonly stored_at: number;
  readonly payload: string;
  /** `null` stands for `{}`, which most events have. */
  readonly metadata: string | null;
}

/** The columns in the order of their definition; a store may add its own behind them. */
export const EVENT_COLUMNS = [
  'position',
  'id',
  'type',
  'source',
  'time',
  'entity',
  'revision',
  'correlation_id',
  'causation_id',
  'schema_version',
  'stored_at',
  'payload',
  'metadata',
] as const satisfies readonly (keyof EventRow)[];

export function toRow(event: StoredEvent): EventRow {
  const { position, id, type, source, time, revision, correlationId } = event;
  return {
    position,
    id,
    type,
    source,
    time,
    entity: event.entity ?? null,
    revision,
    correlation_id: correlationId,
    causation_id: event.causationId ?? null,
    schema_version: event.schemaVersion,
    stored_at: event.storedAt,
    payload: payloadText(event.payload),
    metadata: metadataText(event.metadata),
  };
}

/**
 * The reader's own object: nothing of it is shared or frozen. `payload` is given where it is not in the row as it is.
 * Key by key, because an object that is made by spreading costs twice as much.
 */
export function fromRow(row: EventRow, text: string = row.payload): StoredEvent {
  const { id, type, source, time, entity, causation_id: causationId } = row;
  const event: Record<string, unknown> = { id, type, source, time };
  if (entity !== null) event['entity'] = entity;
  event['correlationId'] = row.correlation_id;
  if (causationId !== null) event['causationId'] = causationId;
  event['schemaVersion'] = row.schema_version;
  event['payload'] = JSON.parse(text);
  event['metadata'] = row.metadata === null ? {} : JSON.parse(row.metadata);
  event['position'] = row.position;
  event['revision'] = row.revision;
  event['storedAt'] = row.stored_at;
  return event as unknown as StoredEvent;
}

/** The payload's JSON; nothing at all counts as `null`. */
export function payloadText(payload: unknown): string {
  return JSON.stringify(payload) ?? 'null';
}

/** The metadata's JSON, `null` where it is empty. */
export function metadataText(metadata: Metadata): string | null {
  for (const _ in metadata) return JSON.stringify(metadata);
  return null;
}
