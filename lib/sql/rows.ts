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

/** The reader's own object: nothing of it is shared or frozen. */
export function fromRow(row: EventRow): StoredEvent {
  const { position, id, type, source, time, entity, revision, causation_id: causationId } = row;
  return {
    id,
    type,
    source,
    time,
    ...(entity === null ? undefined : { entity }),
    correlationId: row.correlation_id,
    ...(causationId === null ? undefined : { causationId }),
    schemaVersion: row.schema_version,
    payload: JSON.parse(row.payload) as unknown,
    metadata: row.metadata === null ? {} : (JSON.parse(row.metadata) as Metadata),
    position,
    revision,
    storedAt: row.stored_at,
  };
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
