import { NO_CHAIN, type Cause, type Chain } from '../context.ts';
import { TelltaleError, expected } from '../errors.ts';
import { admit, type Admitted } from '../event/admission.ts';
import type { PayloadMode } from '../event/define-events.ts';
import { Envelope } from '../event/envelope.ts';
import type { Metadata, TelltaleEvent } from '../event/event.ts';
import { checkEntity } from '../event/identity.ts';
import { NO_METADATA } from '../event/inherit.ts';
import type { SchemaRegistry } from '../event/schema-registry.ts';
import { toPlain } from '../event/to-plain.ts';
import { checkType, isReserved } from '../event/type-name.ts';
import type { IdSource } from '../ids.ts';
import { growChain, suspectedCycle } from './chain.ts';
import type { EmitOptions } from './emit-options.ts';
import { runStages, type NamedStage } from './stages.ts';
import { admitMetadata, stampEvent, tooLarge, withContent, withInherited, type Stamp } from './stamp.ts';

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

/** An event whose type and payload have been looked at. */
interface Checked {
  readonly cause: Cause | undefined;
  readonly type: string;
  readonly options: EmitOptions | undefined;
  readonly stamp: Stamp;
  readonly value: unknown;
  readonly bytes: number;
  readonly transient: boolean;
  readonly admitted: boolean;
  /** Metadata of the bus's own. */
  readonly own: Metadata | undefined;
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

  /**
   * Takes an event in; `own` is metadata of the bus's own. Most have neither options nor a cause, and their way is kept
   * short: what only the others need is in functions of its own, so that the compiler can put the whole of it into one.
   */
  accept(
    cause: Cause | undefined,
    type: string,
    payload: unknown,
    options: EmitOptions | undefined,
    own?: Metadata,
  ): Envelope | Dropped {
    checkNames(type, options);
    const { schemas, source, newId, now: clock, payload: general, stages, owner } = this.#config;
    const mode = schemas.payloadMode(type) ?? general;
    const schemaVersion = options?.schemaVersion ?? schemas.version(type);
    const transient = options?.transient ?? schemas.isTransient(type);
    let value = schemas.check(type, schemaVersion, payload);
    let bytes = ENVELOPE_BYTES;
    if (mode !== 'trust') {
      const admitted = this.#admit(value, mode);
      value = admitted.value;
      bytes += admitted.bytes;
    }
    const now = clock();
    const id = newId(now);
    if (options !== undefined || cause !== undefined || stages.length > 0) {
      const stamp = { id, source, now, schemaVersion };
      return this.#complete({ cause, type, options, stamp, value, bytes, transient, admitted: mode !== 'trust', own });
    }
    const event = {
      id,
      type,
      source,
      time: now,
      correlationId: id,
      schemaVersion,
      payload: value,
      metadata: own ?? NO_METADATA,
    };
    return new Envelope(Object.freeze(event), bytes, transient, mode !== 'trust', NO_CHAIN, owner);
  }

  /** An event of the bus itself: the same stamp, no schema, no stages. */
  internal(
    cause: Cause | undefined,
    type: string,
    payload: unknown,
    options: EmitOptions,
    { value, bytes } = admit(toPlain(payload), 'payload', INTERNAL_BYTES),
  ): Envelope {
    const { source, newId, owner } = this.#config;
    const now = this.#config.now();
    const stamp = { id: newId(now), source, now, schemaVersion: 1 };
    const event = Object.freeze(stampEvent(stamp, type, value, options.metadata ?? NO_METADATA, cause, options));
    const chain = cause === undefined ? NO_CHAIN : growChain(cause, type, now, undefined);
    return new Envelope(event, ENVELOPE_BYTES + bytes, options.transient === true, true, chain, owner);
  }

  #admit(value: unknown, mode: PayloadMode): Admitted {
    return admit(mode === 'plain' ? toPlain(value) : value, 'payload', this.#config.maxEventBytes - ENVELOPE_BYTES);
  }

  #complete(given: Checked): Envelope | Dropped {
    const { cause, type, options, stamp, value, transient, admitted, own } = given;
    const { maxEventBytes, stages, maxChain, loopSuspected, owner } = this.#config;
    const users = admitMetadata(options?.metadata, maxEventBytes);
    let bytes = given.bytes + users.bytes;
    if (bytes > maxEventBytes) throw tooLarge(type, bytes, maxEventBytes);
    const inherited = withInherited(cause, users.value);
    const metadata = own === undefined ? inherited : Object.freeze({ ...inherited, ...own });
    let event = stampEvent(stamp, type, value, metadata, cause, options);
    if (options?.id !== undefined && metadata !== users.value) {
      event = withContent(event, { ...event, metadata: users.value });
    }
    Object.freeze(event);
    if (stages.length > 0) {
      const staged = runStages(stages, event);
      if (typeof staged === 'string') return { dropped: staged, event };
      if (staged !== event) [event, bytes] = this.#readmit(event, staged);
    }
    if (cause === undefined) return new Envelope(event, bytes, transient, admitted, NO_CHAIN, owner);
    const chain = growChain(cause, type, stamp.now, maxChain);
    const cycle = chain.recent && suspectedCycle(chain);
    if (cycle) loopSuspected(cycle, chain, event.correlationId);
    return new Envelope(event, bytes, transient, admitted, chain, owner);
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
}

function checkNames(type: string, options: EmitOptions | undefined): void {
  checkType(type);
  if (isReserved(type)) throw reserved('the event type', 'types', type);
  if (options === undefined || options.entity === undefined) return;
  if (isReserved(checkEntity(options.entity))) throw reserved('the entity', 'entities', options.entity);
}

function reserved(thing: string, kind: string, name: string): TelltaleError {
  return expected('RESERVED_TYPE', thing, `a name of your own (${kind} that begin with $ are the bus’s)`, name);
}
