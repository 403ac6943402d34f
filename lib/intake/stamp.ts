import type { Cause } from '../context.ts';
import { expected, type TelltaleError } from '../errors.ts';
import { admit } from '../event/admission.ts';
import { contentHash } from '../event/content-hash.ts';
import type { Metadata, TelltaleEvent } from '../event/event.ts';
import { checkId, isId, toTime } from '../event/identity.ts';
import { NO_METADATA } from '../event/inherit.ts';
import { checkUserMetadata } from '../event/user-metadata.ts';
import type { EmitOptions } from './emit-options.ts';

/** What the bus says about an event by itself. */
export interface Stamp {
  readonly id: string;
  readonly source: string;
  readonly now: number;
  readonly schemaVersion: number;
}

/** The record of an event with options or a cause, not frozen yet. Throws `INVALID_ID`, `INVALID_TIME`, `INVALID_OPTION`. */
export function stampEvent(
  { id: ownId, source: ownSource, now, schemaVersion }: Stamp,
  type: string,
  payload: unknown,
  metadata: Metadata,
  cause: Cause | undefined,
  options: EmitOptions = NO_OPTIONS,
): TelltaleEvent {
  const id = options.id === undefined ? ownId : checkId(options.id);
  const source = options.source === undefined ? ownSource : checkSource(options.source);
  const time = options.time === undefined ? now : toTime(options.time);
  const correlationId = correlationOf(cause, options) ?? id;
  const causationId =
    options.causationId === undefined ? cause?.causationId : checkId(options.causationId, '`causationId`');
  const { entity } = options;
  // Four literals, so that each kind of event has one shape and an absent field is absent.
  if (entity === undefined) {
    if (causationId === undefined) return { id, type, source, time, correlationId, schemaVersion, payload, metadata };
    return { id, type, source, time, correlationId, causationId, schemaVersion, payload, metadata };
  }
  if (causationId === undefined)
    return { id, type, source, time, entity, correlationId, schemaVersion, payload, metadata };
  return { id, type, source, time, entity, correlationId, causationId, schemaVersion, payload, metadata };
}

/** A caller's metadata, checked and copied. Throws `PAYLOAD_*`, `RESERVED_TYPE`, `INVALID_OPTION`. */
export function admitMetadata(given: unknown, maxBytes: number): { readonly value: Metadata; readonly bytes: number } {
  if (given === undefined) return { value: NO_METADATA, bytes: 0 };
  const { value, bytes } = admit(given, 'metadata', maxBytes);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw expected('PAYLOAD_NOT_PLAIN', '`metadata`', 'an object', given);
  }
  checkUserMetadata(value);
  return { value: value as Metadata, bytes };
}

export function withInherited(cause: Cause | undefined, own: Metadata): Metadata {
  const inherited = cause?.inherited;
  return inherited === undefined ? own : Object.freeze({ ...inherited, ...own });
}

/** The hash is that of what the caller gave: a retry from another context or past other stages is a duplicate. */
export function withContent(event: TelltaleEvent, given: TelltaleEvent): TelltaleEvent {
  return { ...event, metadata: Object.freeze({ ...event.metadata, $content: contentHash(given) }) };
}

export function tooLarge(type: string, bytes: number, maxBytes: number): TelltaleError {
  const text = `\`${type}\` with its metadata`;
  return expected('PAYLOAD_TOO_LARGE', text, `at most ${maxBytes} bytes`, bytes, {
    details: { type, bytes, maxBytes },
  });
}

const NO_OPTIONS: EmitOptions = {};

function checkSource(source: unknown): string {
  if (isId(source)) return source;
  throw expected('INVALID_OPTION', '`source`', 'a well-formed string of 1 to 256 bytes', source);
}

function correlationOf(cause: Cause | undefined, options: EmitOptions): string | undefined {
  if (options.correlationId === undefined) return cause?.correlationId;
  return checkId(options.correlationId, '`correlationId`');
}
