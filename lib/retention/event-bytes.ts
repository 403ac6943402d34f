import type { TelltaleEvent } from '../event/event.ts';

/** What the names and marks of an event's fields take. */
const ENVELOPE = 170;

/** An event's size as JSON, estimated without making it: escapes are not counted, numbers taken as 8 bytes. */
export function eventBytes({ id, type, source, entity, correlationId, payload, metadata }: TelltaleEvent): number {
  const names = id.length + type.length + source.length + (entity?.length ?? 0) + correlationId.length;
  return ENVELOPE + names + valueBytes(payload) + valueBytes(metadata);
}

// Admitted data is at most 100 levels deep.
function valueBytes(value: unknown): number {
  if (typeof value === 'string') return 2 + (value.length < 64 ? value.length : Buffer.byteLength(value));
  if (typeof value !== 'object' || value === null) return typeof value === 'number' ? 8 : 4;
  let sum = 2;
  if (Array.isArray(value)) for (const item of value) sum += 1 + valueBytes(item);
  // Own and inherited are the same for plain data, and `for in` costs a third of `Object.entries`.
  else for (const key in value) sum += 4 + key.length + valueBytes((value as Record<string, unknown>)[key]);
  return sum;
}
