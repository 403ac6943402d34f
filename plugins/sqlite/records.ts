import { crc32 } from 'node:zlib';
import { TelltaleError, fromRow, metadataText, payloadText } from '../../lib/plugin.ts';
import type { EventRow, StoredEvent } from '../../lib/plugin.ts';
import type { SqlRow, SqlValue } from './driver.ts';
import { unpack } from './packing.ts';

/** An event beyond this is fetched alone, so that a page of large ones does not hold the event loop. */
export const LARGE_BYTES = 64 * 1024;
/** An envelope's JSON, about: only the payload and metadata are counted exactly. */
const ENVELOPE_BYTES = 160;

const ENVELOPE =
  'position, id, type, source, time, entity, revision, correlation_id, causation_id, schema_version, stored_at, checksum, bytes, metadata';

export const INSERT = `INSERT INTO telltale_events (${ENVELOPE}, payload, packed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;
export const REWRITE =
  'UPDATE telltale_events SET schema_version = ?, checksum = ?, bytes = ?, metadata = ?, payload = ?, packed = ? WHERE position = ?';
/** For lists: `payload` is null where the event is large. */
export const LISTED = `${ENVELOPE}, CASE WHEN bytes <= ${LARGE_BYTES} THEN payload END AS payload, CASE WHEN bytes <= ${LARGE_BYTES} THEN packed END AS packed`;
export const WHOLE = `${ENVELOPE}, payload, packed`;

/** The row of an event as the parameters of `INSERT`. */
export function insertion(event: StoredEvent, packed: Uint8Array | undefined): SqlValue[] {
  const { position, id, type, source, time, revision, correlationId, schemaVersion, storedAt } = event;
  const entity = event.entity ?? null;
  const causationId = event.causationId ?? null;
  const metadata = metadataText(event.metadata);
  const payload = payloadText(event.payload);
  const head = `${position}\n${id}\n${type}\n${source}\n${time}\n${entity}\n${revision}\n${correlationId}\n${causationId}\n${schemaVersion}\n${storedAt}\n${metadata}\n`;
  return [
    position,
    id,
    type,
    source,
    time,
    entity,
    revision,
    correlationId,
    causationId,
    schemaVersion,
    storedAt,
    crc32(head + payload),
    bytesOf(payload, metadata),
    metadata,
    packed === undefined ? payload : '',
    packed ?? null,
  ];
}

/** The same for `REWRITE`. */
export function rewriting(event: StoredEvent, packed: Uint8Array | undefined): SqlValue[] {
  const row = insertion(event, packed);
  return [row[9]!, ...row.slice(11), event.position];
}

/** Where `bytes` is in the parameters of `INSERT`. */
export const BYTES_AT = 12;

export interface Decoded {
  readonly event: StoredEvent;
  /** Whether the row's checksum is right; always so where nobody asked. */
  readonly isIntact: boolean;
}

/** The event of a whole row. A promise only where much has to be unpacked. */
export function decode(row: SqlRow, check: boolean): Decoded | Promise<Decoded> {
  const packed = row['packed'] as Uint8Array | ArrayBuffer | null;
  if (packed === null) return toEvent(row, row['payload'] as string, check);
  // libsql answers with an ArrayBuffer.
  const text = unpack(packed instanceof Uint8Array ? packed : new Uint8Array(packed));
  return typeof text === 'string' ? toEvent(row, text, check) : text.then((payload) => toEvent(row, payload, check));
}

export function damaged(row: SqlRow, path: string): TelltaleError {
  const position = row['position'] as number;
  return new TelltaleError('STORE_CORRUPT', `sqlite ${path}: the row at position ${position} is damaged`, {
    details: { path, position },
  });
}

function toEvent(row: SqlRow, payload: string, check: boolean): Decoded {
  const isIntact = !check || checksumOf(row, payload) === row['checksum'];
  return { event: fromRow(row as unknown as EventRow, payload), isIntact };
}

function checksumOf(row: SqlRow, payload: string): number {
  const r = row as unknown as EventRow;
  const head = `${r.position}\n${r.id}\n${r.type}\n${r.source}\n${r.time}\n${r.entity}\n${r.revision}\n${r.correlation_id}\n${r.causation_id}\n${r.schema_version}\n${r.stored_at}\n${r.metadata}\n`;
  return crc32(head + payload);
}

function bytesOf(payload: string, metadata: string | null): number {
  return ENVELOPE_BYTES + Buffer.byteLength(payload) + (metadata === null ? 2 : Buffer.byteLength(metadata));
}
