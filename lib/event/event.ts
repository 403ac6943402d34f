/** Plain data as JSON has it. Payloads and metadata hold nothing else. */
export type Plain = null | boolean | number | string | readonly Plain[] | { readonly [key: string]: Plain };

export type Priority = 'low' | 'normal' | 'high' | 'critical';

/** Open; these keys have a meaning. Keys that begin with `$` are set by the bus alone. */
export interface Metadata {
  readonly conversationId?: string;
  readonly requestId?: string;
  readonly sessionId?: string;
  readonly userId?: string;
  /** Used by retention only, never by delivery. */
  readonly priority?: Priority;
  readonly tags?: readonly string[];
  readonly traceparent?: string;
  /** Ids of all causes where an event has more than one. */
  readonly causes?: readonly string[];
  readonly batchId?: string;
  readonly [key: string]: unknown;
}

/** An immutable record of something that happened. */
export interface TelltaleEvent<Type extends string = string, Payload = unknown> {
  /** UUIDv7 made by the bus, or a caller's well-formed string of at most 256 bytes. */
  readonly id: string;
  /** `noun.past-verb`, for example `task.completed`. */
  readonly type: Type;
  /** Who says so: the bus's `source`. */
  readonly source: string;
  /** When it happened, by the caller's clock: epoch ms with fractions. */
  readonly time: number;
  /** What it is about: `kind/id`. The events of one entity are its stream. */
  readonly entity?: string;
  /** The id of the first event of the chain; a first event's own id. */
  readonly correlationId: string;
  /** The id of the event that caused this one. */
  readonly causationId?: string;
  /** From 1. */
  readonly schemaVersion: number;
  readonly payload: Payload;
  readonly metadata: Metadata;
}

/** An event as the log has it. */
export interface StoredEvent<Type extends string = string, Payload = unknown> extends TelltaleEvent<Type, Payload> {
  /** 1, 2, 3 … over the whole store, never reused. */
  readonly position: number;
  /** 1, 2, 3 … within its entity; 0 for an event without entity. */
  readonly revision: number;
  /** The store's clock, epoch ms, never falling. */
  readonly storedAt: number;
}
