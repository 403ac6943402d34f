import { crc32 } from 'node:zlib';
import { TelltaleError, fromRow, isTelltaleError, metadataText, payloadText } from '../../lib/plugin.ts';
import type { EventRow, StoredEvent } from '../../lib/plugin.ts';
import type { SqlRow, SqlValue } from './driver.ts';
import { unpack } from './packing.ts';
import { bytesIn, legible, textIn } from './texts.ts';

/** An event beyond this is fetched alone, so that a page of large ones does not hold the event loop. */
export const LARGE_BYTES = 64 * 1024;
/** An envelope's JSON, about: only the payload and metadata are counted exactly. */
const ENVELOPE_BYTES = 160;

const ENVELOPE =
  'position, id, type, source, time, entity, revision, correlation_id, causation_id, schema_version, stored_at, checksum, bytes, metadata';

export const INSERT = `INSERT INTO telltale_events (${ENVELOPE}, payload, packed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;
export const REWRITE =
  'UPDATE telltale_events SET schema_version = ?, checksum = ?, bytes = ?, metadata = ?, payload = ?, packed = ? WHERE position = ?';
// Texts are read as bytes, see `texts.ts`. No text has a NUL, and one column for all short ones costs less than one for
// each.
const NUMBERS = 'position, time, revision, schema_version, stored_at, checksum, bytes';
const TEXTS = ['id', 'type', 'source', "coalesce(entity, '')", 'correlation_id', "coalesce(causation_id, '')"];
const SHORT = `${NUMBERS}, CAST(${[...TEXTS, "coalesce(metadata, '')"].join(' || char(0) || ')} AS BLOB) AS texts`;
const PAYLOAD = 'CAST(payload AS BLOB)';
/** For lists: `payload` is null where the event is large. */
export const LISTED = `${SHORT}, ${unlessLarge(PAYLOAD)} AS payload, ${unlessLarge('packed')} AS packed`;
export const WHOLE = `${SHORT}, ${PAYLOAD} AS payload, packed`;

function unlessLarge(column: string): string {
  return `CASE WHEN bytes <= ${LARGE_BYTES} THEN ${column} END`;
}

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
  /** Whether the row's checksum and its size are right; always so where nobody asked. */
  readonly isIntact: boolean;
}

/**
 * The event of a whole row; a promise only where much has to be unpacked. Throws `STORE_CORRUPT` with the position where
 * the row is so damaged that there is no event in it.
 */
export function decode(row: SqlRow, check: boolean): Decoded | Promise<Decoded> {
  const packed = row['packed'];
  if (packed === null) return toEvent(row, strictText(row, 'payload'), check);
  const text = unpacked(row, bytesIn(packed!));
  return typeof text === 'string' ? toEvent(row, text, check) : text.then((payload) => toEvent(row, payload, check));
}

/** The event of a whole row, or as much of a damaged one as can be read: its content is nothing then. */
export async function salvage(row: SqlRow): Promise<Salvaged> {
  try {
    return { event: (await decode(row, false)).event, isWhole: true };
  } catch (error) {
    if (!isTelltaleError(error, 'STORE_CORRUPT')) throw error;
    const [id = '', type = '', source = '', entity = '', correlation_id = ''] = legible(row['texts']).split('\0');
    const named = { id: id || `damaged-${row['position'] as number}`, type, source, entity: entity || null };
    const rest = { correlation_id, causation_id: null, metadata: null };
    return { event: fromRow({ ...(row as unknown as EventRow), ...named, ...rest }, 'null'), isWhole: false };
  }
}

export interface Salvaged {
  readonly event: StoredEvent;
  readonly isWhole: boolean;
}

export function damaged(row: SqlRow, cause?: unknown): TelltaleError {
  const position = row['position'] as number;
  return new TelltaleError('STORE_CORRUPT', `sqlite: the row at position ${position} is damaged`, {
    details: { position },
    ...(cause !== undefined && { cause }),
  });
}

function toEvent(row: SqlRow, payload: string, check: boolean): Decoded {
  const texts = strictText(row, 'texts').split('\0');
  if (texts.length !== TEXTS.length + 1) throw damaged(row);
  const [id, type, source, entity, correlation_id, causation_id, metadata] = texts;
  const { position, time, revision, schema_version, stored_at } = row as unknown as EventRow;
  // Key by key: an object made by spreading costs twice as much.
  const whole: EventRow = {
    position,
    id: id!,
    type: type!,
    source: source!,
    time,
    entity: entity || null,
    revision,
    correlation_id: correlation_id!,
    causation_id: causation_id || null,
    schema_version,
    stored_at,
    payload,
    metadata: metadata || null,
  };
  const isIntact =
    !check || (checksumOf(whole) === row['checksum'] && bytesOf(payload, whole.metadata) === row['bytes']);
  try {
    return { event: fromRow(whole, payload), isIntact };
  } catch (error) {
    throw damaged(row, error);
  }
}

function unpacked(row: SqlRow, packed: Uint8Array): string | Promise<string> {
  const failed = (error: unknown): never => {
    throw damaged(row, error);
  };
  try {
    const text = unpack(packed);
    return typeof text === 'string' ? text : text.catch(failed);
  } catch (error) {
    return failed(error);
  }
}

function strictText(row: SqlRow, name: 'texts' | 'payload'): string {
  const text = textIn(row[name]);
  if (text === undefined) throw damaged(row);
  return text;
}

function checksumOf(r: EventRow): number {
  const head = `${r.position}\n${r.id}\n${r.type}\n${r.source}\n${r.time}\n${r.entity}\n${r.revision}\n${r.correlation_id}\n${r.causation_id}\n${r.schema_version}\n${r.stored_at}\n${r.metadata}\n`;
  return crc32(head + r.payload);
}

function bytesOf(payload: string, metadata: string | null): number {
  return ENVELOPE_BYTES + Buffer.byteLength(payload) + (metadata === null ? 2 : Buffer.byteLength(metadata));
}
