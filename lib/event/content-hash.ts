import { hash } from 'node:crypto';
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
  return hash('sha256', parts.map(canonicalJson).join('\n'), 'base64url');
}

/** JSON with the keys of every object sorted by UTF-16 code units; what JSON cannot hold counts as null. */
export function canonicalJson(value: unknown): string {
  if (typeof value === 'string') return quoted(value);
  if (typeof value === 'number') return Number.isFinite(value) ? `${value}` : 'null';
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  return Array.isArray(value) ? listJson(value) : objectJson(value as Readonly<Record<string, unknown>>);
}

function listJson(list: readonly unknown[]): string {
  let json = '';
  for (const item of list) json += json === '' ? canonicalJson(item) : `,${canonicalJson(item)}`;
  return `[${json}]`;
}

function objectJson(value: Readonly<Record<string, unknown>>): string {
  let json = '';
  for (const key of Object.keys(value).toSorted()) {
    const member = value[key];
    if (member === undefined) continue;
    json += `${json === '' ? '' : ','}${quoted(key)}:${canonicalJson(member)}`;
  }
  return `{${json}}`;
}

// Hashed on the way of every stored event: a text that needs no escape is quoted without the call.
function quoted(text: string): string {
  return NEEDS_ESCAPE.test(text) ? JSON.stringify(text) : `"${text}"`;
}

// eslint-disable-next-line no-control-regex -- control characters are what JSON escapes
const NEEDS_ESCAPE = /[\u0000-\u001f"\\\ud800-\udfff]/;

function ownMetadata(event: TelltaleEvent): Record<string, unknown> {
  const own: Record<string, unknown> = {};
  for (const key of Object.keys(event.metadata)) {
    if (!isReserved(key) && key !== 'batchId' && key !== 'causes') own[key] = event.metadata[key];
  }
  return own;
}
