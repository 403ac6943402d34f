/** Every code a `TelltaleError` can carry, with what it means and what to do. The README's table is tested against it. */
export const ERRORS = {
  PAYLOAD_BAD_STRING: 'a string holds NUL or a lone surrogate; pass it through toPlain(value)',
  PAYLOAD_BAD_NUMBER: 'a number is NaN or infinite; pass it through toPlain(value)',
  PAYLOAD_NOT_PLAIN:
    'a value is not plain data (BigInt, Date, Map, class instance, function, symbol); use toPlain(value)',
  PAYLOAD_CYCLE: 'a value contains itself; use toPlain(value)',
  PAYLOAD_TOO_DEEP: 'data is nested deeper than 100 levels; use toPlain(value)',
  PAYLOAD_FORBIDDEN_KEY: 'a key is __proto__, which could reach a prototype; rename it',
  PAYLOAD_TOO_LARGE:
    'an event is larger than the limit; store the data elsewhere and send a reference, or raise the limit',
  INVALID_TYPE: 'an event type is not 1 to 16 dotted segments of letters, digits, _ and -',
  INVALID_PATTERN: 'a pattern is not dotted segments in which * and ** stand alone',
  INVALID_ID: 'the id of an event or a correlation is not a well-formed string of 1 to 256 bytes',
  INVALID_ENTITY: 'an entity is not "kind/id"',
  INVALID_TIME: 'a time is not epoch milliseconds, a Date or an ISO string with zone',
  INVALID_PLACE: 'a place in the log is not a position, a Date, "earliest", "latest" or one of the place objects',
  INVALID_DURATION: 'a duration is not milliseconds or a string such as "30s"',
  INVALID_PATH: 'a dotted path is empty, malformed or tries to reach a prototype',
  INVALID_FILTER: 'a filter uses an unknown operator or field, or compares with something that is not a value',
  INVALID_QUERY: 'a query has an unknown or contradictory option',
  INVALID_CURSOR: 'a cursor was not made by this query',
  INVALID_OPTION: 'an option is unknown or has a value outside its range',
  RESERVED_TYPE: 'types, entities and metadata keys that begin with $ belong to the bus',
  UNKNOWN_TYPE: 'the type is not declared and unknownTypes is "refuse"',
  SCHEMA_REFUSED: 'the payload does not satisfy the schema of its type',
  SCHEMA_ASYNC: 'a schema answered with a Promise; schemas on the way of events must be synchronous',
  SCHEMA_CONFLICT: 'the type and version already have another schema',
  UPCAST_FAILED: 'an upcaster threw or the chain of upcasters has a gap',
  STAGE_FAILED: 'an admit stage threw; the event was refused',
  EVENT_CONFLICT: 'the id is already stored with other content',
  EXPECTATION_FAILED: 'the log has moved on: the expected revision or condition no longer holds',
  BUS_CLOSED: 'the bus is closing or closed',
  INGRESS_FULL: 'too many events wait to be dispatched',
  MAILBOX_FULL:
    'a subscription is slower than its events; raise its mailbox, widen its concurrency or choose an overflow policy',
  HANDLER_FAILED: 'a handler threw or rejected',
  WOULD_DEADLOCK: 'the call waits for the handler it is made from',
  REPLAY_CAPTURES:
    'a handler that is replayed asked for a change that a replay cannot capture; look at context.replay, or set accept',
  CAUSATION_TOO_DEEP: 'a causal chain is longer than maxChain',
  TIMEOUT: 'nothing happened within the time allowed',
  ABORTED: 'the caller aborted the operation',
  ASK_NO_ANSWERER: 'nobody answers what was asked, or whoever did went away; add an answerer with bus.answer',
  ASK_FAILED: 'the answerer threw; what it threw is the cause',
  ASK_NO_QUORUM: 'too few of those that were asked answered; the cause has the errors of the others',
  ASK_CYCLE: 'a question comes back to somebody who waits for its answer; it would never end',
  ASK_DROPPED: 'an admit stage dropped the request',
  ACTOR_STOPPED: 'the actor, or this instance of it, has stopped: by itself, by hand, or after failing too often',
  REBUILD_FAILED: 'the `apply` of an actor threw on a stored event; the message names its position and id',
  JOIN_FAILED: 'an event matching failOn arrived before the join was complete',
  BATCH_DONE: 'the batch has been committed or discarded',
  SCHEDULES_FULL: 'more events wait for their time than a bus keeps',
  STORE_BACKLOG_FULL: 'the store is too slow or not reachable and its backlog is full',
  STORE_FAILED: 'the store stopped for good after an error that retrying could hide; restart the process',
  STORE_UNAVAILABLE:
    'the store did not answer or could not write; the append may or may not have happened and can be retried',
  STORE_CLOSED: 'the store is not open',
  STORE_LOCKED: 'the log is already open for writing',
  STORE_CORRUPT: 'the log is damaged before its tail',
  STORE_VERSION:
    'the log was written by a newer version, or by an older one and is only read here; or the tables of a target by another',
  STORE_PATH: 'the folder of the log does not exist, is a file, or may not be written',
  STORE_ACCESS:
    'the server of the log does not let the store in, or not do what it must: wrong user, password, database or rights',
  STORE_REFUSED: 'the database does not take a value of this event; other events are stored',
  STORE_READ_ONLY: 'the store was opened for reading only',
  STORE_REQUIRED: 'the operation needs a store and the bus has none',
  NOT_SUPPORTED: 'this store does not support the operation',
  RETRY_IMPOSSIBLE:
    'a dead letter cannot be tried again now: nobody listens for its event, or the event is gone or was cut',
  DOCUMENT_CONFLICT: 'the document has changed since it was read',
  DOCUMENT_TOO_LARGE: 'the documents of this store have reached their limit',
  LEASE_LOST: 'the lease was taken over by another owner',
  TARGET_BROKEN:
    'a target of `checkpointIn` does not keep to its port, was filled from another log, or its file or table is damaged, of another program or out of reach; the message names what came',
  PUBLISH_IN_TRANSACTION:
    'a handler with `checkpointIn` publishes into a log that is not in the database of its target (emit the event, or keep both in one database), or when it has ended',
  EVENTS_REMOVED: 'the events asked for were removed on purpose; the message names their positions and since when',
  LINK_BROKEN:
    'there is no link to another thread or process, or it has ended: the other side is gone or sent something else',
  WORKER_FAILED: 'a worker could not start, or died with the event in its hands, or died too often',
  IMPORT_REFUSED:
    'a line of a recorded log is not an event, or a stretch of another log does not fit the one to take it',
  STORE_OCCUPIED: 'the store holds events already that it would be mixed with; choose an empty one',
} as const satisfies Record<string, string>;

export type ErrorCode = keyof typeof ERRORS;

export interface ErrorOptions {
  readonly cause?: unknown;
  /** Plain facts for programs: `{ expected, actual, path, position, … }`. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/** The one error class. `code` says what happened, the message names the thing, what was expected and what came. */
export class TelltaleError extends Error {
  override readonly name = 'TelltaleError';
  readonly code: ErrorCode;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.details = options.details ?? {};
  }
}

/** `expected('INVALID_OPTION', '`capacity`', 'an integer from 1', 0)` → "expected `capacity` to be an integer from 1, got 0 (number)". */
export function expected(
  code: ErrorCode,
  thing: string,
  expectation: string,
  actual: unknown,
  options: ErrorOptions = {},
): TelltaleError {
  return new TelltaleError(code, `expected ${thing} to be ${expectation}, got ${show(actual)}`, options);
}

export function isTelltaleError(value: unknown, code?: ErrorCode): value is TelltaleError {
  return value instanceof TelltaleError && (code === undefined || value.code === code);
}

/** Makes an error without a stack, for refusals that come in thousands and of which no line of code is the cause. */
export function withoutStack<Made extends Error>(make: () => Made): Made {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    return make();
  } finally {
    Error.stackTraceLimit = limit;
  }
}

/** A caught value as an Error, so that `cause` and messages always have one. Never throws; reading it may, see `messageOf`. */
export function toError(value: unknown): Error {
  try {
    if (value instanceof Error) return value;
  } catch {
    // A proxy: `show` has a word for it.
  }
  return new Error(typeof value === 'string' ? value : show(value));
}

/** What a caught value says; never throws, whatever its getters do. */
export function messageOf(value: unknown): string {
  try {
    const { message } = toError(value);
    return typeof message === 'string' ? message : show(message);
  } catch {
    return 'an error whose message cannot be read';
  }
}

/** Something was thrown where nothing may be, so that nobody is there to be told of it but whoever runs the process. */
export function warnOfFault(where: string, thrown: unknown): void {
  const text = `${where} must not throw, and did: ${messageOf(thrown)}; please report it, it is a fault of telltale`;
  process.emitWarning(text, { type: 'TelltaleWarning', code: 'FAULT' });
}

/** A short description of any value for an error text; never throws. */
export function show(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === 'string')
    return `${JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value)} (string)`;
  if (typeof value === 'function') return `a function`;
  if (typeof value !== 'object') return `${(value as bigint | boolean | number | symbol).toString()} (${typeof value})`;
  try {
    return Array.isArray(value) ? `an array of ${value.length}` : showObject(value);
  } catch {
    return 'an object that cannot be looked at';
  }
}

// By its class; a generator, for one, has none, but a tag.
function showObject(value: object): string {
  const prototype = Object.getPrototypeOf(value) as { readonly constructor?: { readonly name?: unknown } } | null;
  const given = prototype?.constructor?.name;
  const name = typeof given === 'string' && given !== '' ? given : Object.prototype.toString.call(value).slice(8, -1);
  return name === 'Object' ? 'an object' : `a ${name}`;
}
