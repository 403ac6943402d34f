import { NO_CHAIN, type Cause, type Chain } from '../context.ts';
import { TelltaleError, expected } from '../errors.ts';
import { Envelope } from '../event/envelope.ts';
import { admit, checkUserMetadata } from '../event/admission.ts';
import { contentHash } from '../event/content-hash.ts';
import type { PayloadMode } from '../event/define-events.ts';
import type { Metadata, TelltaleEvent } from '../event/event.ts';
import { checkEntity, checkId, toTime } from '../event/identity.ts';
import type { SchemaRegistry } from '../event/schema-registry.ts';
import { toPlain } from '../event/to-plain.ts';
import { checkType, isReserved } from '../event/type-name.ts';
import type { IdSource } from '../ids.ts';
import { growChain, suspectedCycle } from './chain.ts';
import type { EmitOptions } from './emit-options.ts';
import { NO_METADATA } from '../event/inherit.ts';
import { runStages, type NamedStage } from './stages.ts';

export interface IntakeConfig {
  readonly owner: object;
  readonly source: string;
  readonly newId: IdSource;
  readonly now: () => number;
  readonly schemas: SchemaRegistry;
  readonly stages: readonly NamedStage[];
  readonly payload: PayloadMode;
  /** The smaller of what the bus and its store take. */
  readonly maxEventBytes: number;
  readonly maxChain: number | undefined;
  readonly loopSuspected: (cycle: readonly string[], chain: Chain, correlationId: string) => void;
}

/** An admit stage answered null. */
export interface Dropped {
  readonly dropped: string;
  readonly event: TelltaleEvent;
}

/** What an event costs beside payload and metadata: as much as stores count, which must take what is delivered. */
const ENVELOPE_BYTES = 256;
/** The bus's own events are small; the limit of users' events does not hold for them. */
const INTERNAL_BYTES = 8 * 1024 * 1024;

/**
 * The door: stamp, schema, admit stages, admission. Whatever leaves it is a frozen snapshot with an id, a time, a
 * correlation and, inside a handler, a cause. Throws the typed refusals; nothing has happened then.
 */
export class Intake {
  readonly #config: IntakeConfig;

  constructor(config: IntakeConfig) {
    this.#config = config;
  }

  accept(
    cause: Cause | undefined,
    type: string,
    payload: unknown,
    options: EmitOptions | undefined,
  ): Envelope | Dropped {
    checkType(type);
    if (isReserved(type)) {
      throw expected(
        'RESERVED_TYPE',
        'the event type',
        'a name of your own (types that begin with $ are the bus’s)',
        type,
      );
    }
    if (options?.entity !== undefined && isReserved(checkEntity(options.entity))) {
      throw expected(
        'RESERVED_TYPE',
        'the entity',
        'a name of your own (entities that begin with $ are the bus’s)',
        options.entity,
      );
    }
    return this.#admit(cause, type, payload, options);
  }

  /** An event of the bus itself: the same stamp, no schema, no stages. */
  internal(cause: Cause | undefined, type: string, payload: unknown, options: EmitOptions): Envelope {
    const { value, bytes } = admit(toPlain(payload), 'payload', INTERNAL_BYTES);
    const event = Object.freeze(this.#stamp(cause, type, value, NO_METADATA, options, this.#config.now()));
    const chain = cause === undefined ? NO_CHAIN : growChain(cause, type, event.time, undefined);
    return new Envelope(event, ENVELOPE_BYTES + bytes, options.transient === true, true, chain, this.#config.owner);
  }

  #admit(
    cause: Cause | undefined,
    type: string,
    payload: unknown,
    options: EmitOptions | undefined,
  ): Envelope | Dropped {
    const { schemas, stages, maxEventBytes } = this.#config;
    const mode = schemas.payloadMode(type) ?? this.#config.payload;
    const version = options?.schemaVersion ?? schemas.version(type);
    const transient = options?.transient ?? schemas.isTransient(type);
    let value = schemas.check(type, version, payload);
    let own = NO_METADATA;
    let bytes = ENVELOPE_BYTES;
    if (mode !== 'trust') {
      const admitted = admit(mode === 'plain' ? toPlain(value) : value, 'payload', maxEventBytes - ENVELOPE_BYTES);
      value = admitted.value;
      bytes += admitted.bytes;
    }
    if (options?.metadata !== undefined) {
      const admitted = admitMetadata(options.metadata, maxEventBytes);
      own = admitted.value;
      bytes += admitted.bytes;
    }
    if (bytes > maxEventBytes) throw tooLarge(type, bytes, maxEventBytes);
    const now = this.#config.now();
    const metadata = withInherited(cause, own);
    let event = this.#stamp(cause, type, value, metadata, options, now, version);
    if (options?.id !== undefined && metadata !== own) event = withContent(event, { ...event, metadata: own });
    Object.freeze(event);
    if (stages.length > 0) {
      const staged = runStages(stages, event);
      if (typeof staged === 'string') return { dropped: staged, event };
      if (staged !== event) [event, bytes] = this.#readmit(event, staged);
    }
    return this.#envelope(event, bytes, transient, mode !== 'trust', cause, now);
  }

  #stamp(
    cause: Cause | undefined,
    type: string,
    payload: unknown,
    metadata: Metadata,
    options: EmitOptions | undefined,
    now: number,
    schemaVersion = 1,
  ): TelltaleEvent {
    const id = options?.id === undefined ? this.#config.newId(now) : checkId(options.id);
    const time = options?.time === undefined ? now : toTime(options.time);
    const { source } = this.#config;
    const correlationId = correlationOf(cause, options) ?? id;
    const causationId =
      options?.causationId === undefined ? cause?.causationId : checkId(options.causationId, '`causationId`');
    const entity = options?.entity;
    // Four literals, so that each kind of event has one shape and an absent field is absent.
    if (entity === undefined) {
      if (causationId === undefined) return { id, type, source, time, correlationId, schemaVersion, payload, metadata };
      return { id, type, source, time, correlationId, causationId, schemaVersion, payload, metadata };
    }
    if (causationId === undefined)
      return { id, type, source, time, entity, correlationId, schemaVersion, payload, metadata };
    return { id, type, source, time, entity, correlationId, causationId, schemaVersion, payload, metadata };
  }

  // Only what a stage may change is taken from its answer, and the content stays what the caller gave.
  #readmit(given: TelltaleEvent, staged: TelltaleEvent): [TelltaleEvent, number] {
    const { maxEventBytes } = this.#config;
    for (const field of [
      'type',
      'source',
      'correlationId',
      'causationId',
      'entity',
      'time',
      'schemaVersion',
    ] as const) {
      if (staged[field] === given[field]) continue;
      const text = `an admit stage changed \`${field}\` of \`${given.type}\`; stages may change payload and metadata`;
      throw new TelltaleError('STAGE_FAILED', text, { details: { field } });
    }
    const payload = admit(staged.payload, 'payload', maxEventBytes - ENVELOPE_BYTES);
    const metadata = admit(staged.metadata, 'metadata', maxEventBytes);
    const bytes = ENVELOPE_BYTES + payload.bytes + metadata.bytes;
    if (bytes > maxEventBytes) throw tooLarge(given.type, bytes, maxEventBytes);
    const changed = { ...given, payload: payload.value, metadata: metadata.value as Metadata };
    return [Object.freeze(withContent(changed, given)), bytes];
  }

  #envelope(
    event: TelltaleEvent,
    bytes: number,
    transient: boolean,
    admitted: boolean,
    cause: Cause | undefined,
    now = event.time,
  ): Envelope {
    const { owner, maxChain, loopSuspected } = this.#config;
    if (cause === undefined) return new Envelope(event, bytes, transient, admitted, NO_CHAIN, owner);
    const chain = growChain(cause, event.type, now, maxChain);
    const cycle = chain.recent && suspectedCycle(chain);
    if (cycle) loopSuspected(cycle, chain, event.correlationId);
    return new Envelope(event, bytes, transient, admitted, chain, owner);
  }
}

function admitMetadata(given: unknown, maxBytes: number): { readonly value: Metadata; readonly bytes: number } {
  const { value, bytes } = admit(given, 'metadata', maxBytes);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw expected('PAYLOAD_NOT_PLAIN', '`metadata`', 'an object', given);
  }
  checkUserMetadata(value);
  return { value: value as Metadata, bytes };
}

function tooLarge(type: string, bytes: number, maxBytes: number): TelltaleError {
  const text = `\`${type}\` with its metadata`;
  return expected('PAYLOAD_TOO_LARGE', text, `at most ${maxBytes} bytes`, bytes, {
    details: { type, bytes, maxBytes },
  });
}

function correlationOf(cause: Cause | undefined, options: EmitOptions | undefined): string | undefined {
  return options?.correlationId === undefined
    ? cause?.correlationId
    : checkId(options.correlationId, '`correlationId`');
}

function withInherited(cause: Cause | undefined, own: Metadata): Metadata {
  if (cause?.inherited === undefined) return own;
  return Object.freeze({ ...cause.inherited, ...own });
}

// The hash is that of what the caller gave, so that a retry from another context or past other stages is a duplicate.
function withContent(event: TelltaleEvent, given: TelltaleEvent): TelltaleEvent {
  return { ...event, metadata: Object.freeze({ ...event.metadata, $content: contentHash(given) }) };
}
