import { createHash } from 'node:crypto';
import type { TelltaleEvent } from './event.ts';
import { isReserved } from './type-name.ts';

/**
 * What makes two events of one id the same: SHA-256, base64url, over type, source, entity, schemaVersion, payload and
 * the metadata a caller set, keys sorted. Time, correlation, cause, batch and the bus's own keys are not content.
 * Where an admit stage changed the event, `metadata.$content` holds the hash of what the caller gave, and is the answer.
 */
export function contentHash(event: TelltaleEvent): string {
  const given = event.metadata['$content'];
  if (typeof given === 'string') return given;
  const { type, source, entity, schemaVersion, payload } = event;
  const parts = [type, source, entity ?? null, schemaVersion, payload, ownMetadata(event)];
  return createHash('sha256').update(parts.map(canonicalJson).join('\n')).digest('base64url');
}

/** JSON with the keys of every object sorted by UTF-16 code units; what JSON cannot hold counts as null. */
export function canonicalJson(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  const entries = Object.entries(value).filter(([, member]) => member !== undefined);
  // Keys are unique, so that the order is total.
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`).join(',')}}`;
}

function ownMetadata(event: TelltaleEvent): Record<string, unknown> {
  const entries = Object.entries(event.metadata);
  return Object.fromEntries(entries.filter(([key]) => !isReserved(key) && key !== 'batchId' && key !== 'causes'));
}
