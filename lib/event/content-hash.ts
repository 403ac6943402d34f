import { hash } from 'node:crypto';
import type { TelltaleEvent } from './event.ts';
import { isReserved } from './type-name.ts';

const FEW_KEYS = 16;
const MEMO_LIMIT = 4_096;
const MEMO_LENGTH = 64;
const names = new Map<string, string>();

/**
 * What makes two events of one id the same: SHA-256, base64url, over type, source, entity, schemaVersion, payload and
 * the metadata a caller set, keys sorted. Time, correlation, cause, batch and the bus's own keys are not content.
 * Where an admit stage changed the event, `metadata.$content` holds the hash of what the caller gave, and is the answer.
 */
export function contentHash(event: TelltaleEvent): string {
  const given = event.metadata['$content'];
  if (typeof given === 'string') return given;
  return hash('sha256', `${about(event)}\n${canonicalJson(event.payload)}\n${ownMetadata(event)}`, 'base64url');
}

/** What `contentHash` is made of, in small pieces and long texts: to hash megabytes takes a while. */
export function* contentPieces(event: TelltaleEvent): Generator<string> {
  yield `${about(event)}\n`;
  yield* pieces(event.payload);
  yield `\n${ownMetadata(event)}`;
}

function* pieces(value: unknown): Generator<string> {
  if (typeof value !== 'object' || value === null) {
    yield canonicalJson(value);
    return;
  }
  let before = '';
  yield Array.isArray(value) ? '[' : '{';
  for (const key of Array.isArray(value) ? value.keys() : sortedKeys(value)) {
    const member: unknown = (value as Readonly<Record<string | number, unknown>>)[key];
    if (typeof key === 'string' && member === undefined) continue;
    yield typeof key === 'string' ? before + nameOf(key) : before;
    yield* pieces(member);
    before = ',';
  }
  yield Array.isArray(value) ? ']' : '}';
}

function about({ type, source, entity, schemaVersion }: TelltaleEvent): string {
  return `${quoted(type)}\n${quoted(source)}\n${canonicalJson(entity ?? null)}\n${schemaVersion}`;
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
  for (const key of sortedKeys(value)) {
    const member = value[key];
    if (member === undefined) continue;
    json += `${json === '' ? '' : ','}${nameOf(key)}${canonicalJson(member)}`;
  }
  return `{${json}}`;
}

// By insertion up to here: a copy, or a call with a comparison, costs more than the few keys that objects mostly have.
function sortedKeys(value: object): string[] {
  const keys = Object.keys(value);
  if (keys.length > FEW_KEYS) return keys.toSorted();
  for (let i = 1; i < keys.length; i++) {
    const key = keys[i]!;
    let at = i;
    for (; at > 0 && keys[at - 1]! > key; at--) keys[at] = keys[at - 1]!;
    keys[at] = key;
  }
  return keys;
}

/** A key as it stands before its value. The same ones come with every event. */
function nameOf(key: string): string {
  let name = names.get(key);
  if (name !== undefined) return name;
  name = `${quoted(key)}:`;
  if (key.length > MEMO_LENGTH) return name;
  // Keys made up at run time must not grow the memo for ever.
  if (names.size >= MEMO_LIMIT) names.clear();
  names.set(key, name);
  return name;
}

// Hashed on the way of every stored event: a text that needs no escape is quoted without the call.
function quoted(text: string): string {
  return NEEDS_ESCAPE.test(text) ? JSON.stringify(text) : `"${text}"`;
}

// oxlint-disable-next-line no-control-regex -- control characters are what JSON escapes
const NEEDS_ESCAPE = /[\u0000-\u001f"\\\ud800-\udfff]/;

function ownMetadata(event: TelltaleEvent): string {
  const own: Record<string, unknown> = {};
  for (const key of Object.keys(event.metadata)) {
    if (!isReserved(key) && key !== 'batchId' && key !== 'causes') own[key] = event.metadata[key];
  }
  return objectJson(own);
}
