import { TelltaleError, expected } from '../../lib/plugin.ts';
import type { Line } from './lines.ts';

/** A line of a recorded log as the bus takes it. What the line got wrong is left for the bus to refuse. */
export interface RecordedEvent {
  readonly type: string;
  readonly payload: unknown;
  readonly options: Readonly<Record<string, unknown>>;
  readonly hasTime: boolean;
}

type Fields = Readonly<Record<string, unknown>>;

const ENTITY = /^[A-Za-z0-9_.-]+\/./;

/**
 * Reads `{ id, type, source, time, correlationId, causationId, subject | entity, metadata, schemaVersion, payload }`.
 * A missing time becomes the time of import, marked by `metadata.timeMissing`. Throws `IMPORT_REFUSED` where a line is no JSON object or has no type.
 */
export function toRecordedEvent(line: Line, importedAt: number): RecordedEvent {
  const fields = parseFields(line);
  const { type, payload = null, time } = fields;
  if (typeof type !== 'string') throw expected('IMPORT_REFUSED', `\`type\` in line ${line.number}`, 'a string', type);
  const hasTime = time !== undefined && time !== null && time !== '';
  const entity = toEntity(fields['entity'] ?? fields['subject']);
  const options = {
    time: hasTime ? time : importedAt,
    ...(entity !== undefined && { entity }),
    ...present(fields, ['id', 'source', 'correlationId', 'causationId', 'schemaVersion']),
    metadata: toMetadata(fields, hasTime),
  };
  return { type, payload, options, hasTime };
}

function parseFields(line: Line): Fields {
  if (line.damage !== undefined) throw new TelltaleError('IMPORT_REFUSED', `line ${line.number}: ${line.damage}`);
  const value = parseJson(line);
  if (isObject(value)) return value;
  throw expected('IMPORT_REFUSED', `line ${line.number}`, 'a JSON object', value);
}

function parseJson(line: Line): unknown {
  try {
    return JSON.parse(line.text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new TelltaleError('IMPORT_REFUSED', `line ${line.number} is not JSON: ${reason}`, { cause });
  }
}

/** `kind/id` stays as it is, anything else becomes `subject/<it>`, nothing stays nothing. */
function toEntity(subject: unknown): unknown {
  if (subject === undefined || subject === null || subject === '') return undefined;
  if (typeof subject !== 'string' || subject.startsWith('$') || ENTITY.test(subject)) return subject;
  return `subject/${subject}`;
}

// The mark is content like all metadata: the same line without a time always has it, so that it stays the same event.
function toMetadata(fields: Fields, hasTime: boolean): unknown {
  const metadata = fields['metadata'] ?? {};
  return hasTime || !isObject(metadata) ? metadata : { ...metadata, timeMissing: true };
}

function present(fields: Fields, keys: readonly string[]): Fields {
  return Object.fromEntries(
    keys.filter((key) => fields[key] !== undefined && fields[key] !== null).map((key) => [key, fields[key]]),
  );
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
