import { z } from 'zod';
import type { Clock } from './clock.ts';
import { systemClock } from './clock.ts';
import { parseSinks, type ParsedSink, type SinkOptions } from './delivery/sink-options.ts';
import { toMs, toPositiveMs, type Duration } from './duration.ts';
import { expected, TelltaleError } from './errors.ts';
import type { PayloadMode } from './event/define-events.ts';
import { isId } from './event/identity.ts';
import { parsePattern } from './event/pattern.ts';
import type { Place } from './event/place.ts';
import type { TelltaleEvent } from './event/event.ts';
import { compileFilter } from './filter/compile.ts';
import { parseField } from './filter/field.ts';
import type { Filter } from './filter/language.ts';
import type { CacheLimits } from './history/cache.ts';
import type { AdmitStage, NamedStage } from './intake/stages.ts';
import { parseDeadLetters, type DeadLetterOptions } from './letters/schedule-options.ts';
import type { RetrySchedule } from './letters/schedule.ts';
import { DEFAULT_MAILBOX, type MailboxLimits, type Overflow } from './mailbox/overflow.ts';
import { isOptions, parseWith } from './parse-options.ts';
import { parseRetention, type ParsedRetention, type RetentionOptions } from './retention/options.ts';
import { parseRetry, type RetryOptions } from './retry.ts';
import type { SubscriptionOptions } from './router/subscription.ts';
import type { Sink, Store } from './store/port.ts';
import { checkPlace } from './store/read/resolve-place.ts';

const MIB = 1024 * 1024;
/** A larger Map holds the event loop for tens of milliseconds when it grows. */
const MAX_CACHED = 50_000;

/** Everything `createBus` takes. All of it is optional. */
export interface BusOptions<Events = unknown> {
  /** Who the events of this bus come from. @default 'main' */
  readonly source?: string;
  /** Where events are kept. @default none: a live bus without memory */
  readonly store?: Store;
  /** Declared types, made by `defineEvents`. @default none: every type is accepted */
  readonly events?: Events;
  /** What a schema's answer is used for: to check the payload, or to replace it. @default 'check' */
  readonly validate?: 'check' | 'transform';
  /** @default 'accept' */
  readonly unknownTypes?: 'accept' | 'refuse';
  /** Stores and sinks that get a copy of what is stored, each with its own filter, pace and checkpoint. @default [] */
  readonly sinks?: readonly (Store | Sink | SinkOptions)[];
  /** Looks at each event before it is accepted, in order; a named function names its stage. @default [] */
  readonly admit?: readonly AdmitStage[];
  /** `copy`: checked, copied, frozen. `plain`: made plain first. `trust`: passed as it is, 0.2–0.6 µs cheaper. @default 'copy' */
  readonly payload?: PayloadMode;
  /** @default 8 MiB */
  readonly maxEventBytes?: number;
  /** `immediate`: delivered, then stored. `committed`: stored, then delivered. @default 'immediate' */
  readonly dispatch?: 'immediate' | 'committed';
  /** How much may wait to be dispatched; handlers have as much again. @default 10,000 events, 64 MiB */
  readonly ingress?: { readonly max?: number; readonly maxBytes?: number };
  /** The default mailbox of subscriptions. @default 10,000 events, 16 MiB, 'reject' */
  readonly mailbox?: MailboxOptions;
  /** How much may wait to be stored. @default 100,000 events, 64 MiB */
  readonly backlog?: { readonly events?: number; readonly bytes?: number };
  /** What happens to events the store does not take: refused, or delivered and counted as `unstored`. @default 'refuse' */
  readonly onStoreFailure?: 'refuse' | 'live';
  /** A chain of causes longer than this is refused. @default unlimited */
  readonly maxChain?: number;
  /** Tries dead letters again in the background: `{ retry: { every: '1m', attempts: 5 } }`. @default off */
  readonly deadLetters?: DeadLetterOptions;
  /** What is kept, and when the rest is cleared away. Needs a store. @default everything is kept; dead letters 30 days */
  readonly retention?: RetentionOptions;
  /** How long each phase of `close` may take. @default '10s' */
  readonly closeTimeout?: Duration;
  /**
   * Keeps answers of `query`, `count` and `search` until something they looked at is removed, or they are
   * older than `ttl`; what is kept is frozen. Needs a store. `true`: 1,000 answers, 16 MiB, '5m'. @default false
   */
  readonly cache?: boolean | CacheOptions;
  /** @default the system's */
  readonly clock?: Clock;
}

/** Bounds of the cache of answers. */
export interface CacheOptions {
  /** 1 to 50,000. @default 1,000 */
  readonly entries?: number;
  /** Their estimated size. @default 16 MiB */
  readonly bytes?: number;
  /** How long an answer is kept at most, above 0. @default '5m' */
  readonly ttl?: Duration;
}

export interface MailboxOptions {
  /** Events that may wait. @default 10,000 */
  readonly max?: number;
  /** Their estimated size. @default 16 MiB */
  readonly maxBytes?: number;
  /**
   * What happens when it is full. With 'wait', dispatch waits up to 5 s; never for what a handler emits or publishes into
   * its own mailbox, which is stored and at once a dead letter with `MAILBOX_FULL`. @default 'reject' for handlers, 'lag'
   * for iterators
   */
  readonly overflow?: Overflow;
}

/** What `on` takes beside pattern and handler; `observe` and `iterate` take the part that makes sense for them. */
export interface SubscribeOptions {
  /** Only events this filter accepts. */
  readonly where?: Filter;
  /** A dotted path or a function: events of one key are handled in order, different keys side by side. */
  readonly key?: string | ((event: TelltaleEvent) => unknown);
  /** How many handlers may run at once. Without `key` this gives up order. @default 1, with `key` 16 */
  readonly concurrency?: number;
  /** Exactly one live member of the group gets each event. */
  readonly group?: string;
  /** Tries a failed handler again, holding its lane. @default no retry */
  readonly retry?: RetryOptions | number | boolean;
  readonly mailbox?: MailboxOptions;
  /** Events of a replay into this bus: them alone, or them and the live ones. Not with `group`. @default live ones only */
  readonly replay?: 'only' | 'both';
  /**
   * Reads the log from here on, inclusive, then lives off it: every stored event once, in position order, none that is
   * transient. Times mean `storedAt`. Nothing overflows: what there is no room for waits in the log. Not with `group`,
   * `replay` or an overflow policy. @default live events only
   */
  readonly from?: Place;
  /** Ends the subscription. */
  readonly signal?: AbortSignal;
}

export interface ParsedBusOptions {
  readonly source: string;
  readonly store: Store | undefined;
  readonly events: unknown;
  readonly validate: 'check' | 'transform';
  readonly unknownTypes: 'accept' | 'refuse';
  readonly stages: readonly NamedStage[];
  readonly payload: PayloadMode;
  readonly maxEventBytes: number;
  readonly dispatch: 'immediate' | 'committed';
  readonly ingress: { readonly max: number; readonly maxBytes: number };
  readonly mailbox: MailboxLimits;
  readonly backlog: { readonly events: number; readonly bytes: number };
  readonly onStoreFailure: 'refuse' | 'live';
  readonly maxChain: number | undefined;
  readonly deadLetters: { readonly retry: RetrySchedule | undefined };
  readonly retention: ParsedRetention | undefined;
  readonly closeTimeoutMs: number;
  readonly cache: CacheLimits | undefined;
  readonly sinks: readonly ParsedSink[];
  readonly clock: Clock;
}

/** A subscription as `on` was told of it, without what the bus adds. */
export interface ParsedSubscribe extends Omit<SubscriptionOptions, 'handler' | 'onEnd' | 'held'> {
  readonly signal?: AbortSignal;
  /** Reads the log from here on. */
  readonly from?: { readonly place: Place; readonly where: Filter | undefined };
}

const count = (least = 1): z.ZodNumber =>
  z.number(`an integer from ${least}`).int(`an integer from ${least}`).min(least, `an integer from ${least}`);
const oneOf = <const Names extends readonly [string, ...string[]]>(
  ...names: Names
): z.ZodEnum<{ [Name in Names[number]]: Name }> =>
  z.enum(names, `one of ${names.map((name) => `'${name}'`).join(', ')}`);
const duration = z.custom<Duration>(
  (value) => typeof value === 'number' || typeof value === 'string',
  "milliseconds or a string such as '30s'",
);
const mailboxWith = <const Policies extends readonly [Overflow, ...Overflow[]]>(...policies: Policies) =>
  z
    .strictObject(
      { max: count().optional(), maxBytes: count().optional(), overflow: oneOf(...policies).optional() },
      'an object',
    )
    .optional();

const busSchema = z.strictObject(
  {
    source: z.custom<string>(isId, 'a well-formed string of 1 to 256 bytes').optional(),
    store: z
      .custom<Store>(
        (value) => isObject(value) && typeof value['enqueue'] === 'function',
        'a store, such as memory() or jsonFile(folder)',
      )
      .optional(),
    sinks: z.unknown().optional(),
    events: z.custom(isOptions, 'what defineEvents() answers').optional(),
    validate: oneOf('check', 'transform').optional(),
    unknownTypes: oneOf('accept', 'refuse').optional(),
    admit: z
      .array(
        z.custom<AdmitStage>((value) => typeof value === 'function', 'a function'),
        'an array of functions',
      )
      .optional(),
    payload: oneOf('copy', 'plain', 'trust').optional(),
    maxEventBytes: count(1_024).optional(),
    dispatch: oneOf('immediate', 'committed').optional(),
    ingress: z.strictObject({ max: count().optional(), maxBytes: count().optional() }, 'an object').optional(),
    // The default of all subscriptions: what needs a key, or a reader, is said where that is.
    mailbox: mailboxWith('reject', 'drop-oldest', 'wait'),
    backlog: z.strictObject({ events: count().optional(), bytes: count().optional() }, 'an object').optional(),
    onStoreFailure: oneOf('refuse', 'live').optional(),
    maxChain: count(2).optional(),
    deadLetters: z.custom<DeadLetterOptions>((value) => isObject(value), 'an object').optional(),
    retention: z.custom<RetentionOptions>((value) => isObject(value), 'an object').optional(),
    closeTimeout: duration.optional(),
    cache: z
      .strictObject(
        {
          entries: count().max(MAX_CACHED, `an integer from 1 to ${MAX_CACHED}`).optional(),
          bytes: count().optional(),
          ttl: duration.optional(),
        },
        'true, false or an object of entries, bytes and ttl',
      )
      .optional(),
    clock: z
      .custom<Clock>((value) => isObject(value) && CLOCK.every((name) => typeof value[name] === 'function'), 'a clock')
      .optional(),
  },
  'an object',
);

const subscribeSchema = z.strictObject(
  {
    where: z.custom<Filter>((value) => isObject(value), 'a filter object').optional(),
    key: z
      .union(
        [z.string(), z.custom<(event: TelltaleEvent) => unknown>((value) => typeof value === 'function')],
        'a dotted path or a function',
      )
      .optional(),
    concurrency: count().optional(),
    group: z.string('a non-empty string').min(1, 'a non-empty string').optional(),
    retry: z
      .union(
        [z.record(z.string(), z.unknown()), z.number(), z.boolean()],
        'an object, a number of attempts or a boolean',
      )
      .optional(),
    mailbox: mailboxWith('reject', 'drop-oldest', 'latest-by-key', 'wait', 'lag'),
    replay: oneOf('only', 'both').optional(),
    from: z.unknown().optional(),
    signal: z.custom<AbortSignal>((value) => value instanceof AbortSignal, 'an AbortSignal').optional(),
  },
  'an object',
);

/** Parses the options of a bus once, at the door. Throws `INVALID_OPTION`. */
export function parseBusOptions(options: unknown): ParsedBusOptions {
  const given = parseWith(busSchema, options === undefined ? {} : plainCache(options), 'createBus');
  if (given.dispatch === 'committed' && given.store === undefined) {
    throw new TelltaleError(
      'INVALID_OPTION',
      "`dispatch: 'committed'` of createBus needs a `store`: it delivers what is stored",
    );
  }
  if (given.retention !== undefined && given.store === undefined)
    throw new TelltaleError(
      'INVALID_OPTION',
      '`retention` of createBus needs a `store`: it clears away what is stored',
    );
  if (given.cache !== undefined && given.store === undefined)
    throw new TelltaleError(
      'INVALID_OPTION',
      '`cache` of createBus needs a `store`: it keeps answers about what is stored',
    );
  const retention = given.retention === undefined ? undefined : parseRetention(given.retention);
  if (retention?.schedule && given.store?.supports.readOnly)
    throw new TelltaleError('INVALID_OPTION', '`retention.every` of createBus needs a `store` that may be written');
  return Object.freeze({
    source: given.source ?? 'main',
    store: given.store,
    events: given.events,
    validate: given.validate ?? 'check',
    unknownTypes: given.unknownTypes ?? 'accept',
    stages: (given.admit ?? []).map((stage, i) => ({ name: stage.name || `admit[${i}]`, stage })),
    payload: given.payload ?? 'copy',
    maxEventBytes: given.maxEventBytes ?? 8 * MIB,
    dispatch: given.dispatch ?? 'immediate',
    ingress: { max: given.ingress?.max ?? 10_000, maxBytes: given.ingress?.maxBytes ?? 64 * MIB },
    mailbox: mailboxLimits(given.mailbox, DEFAULT_MAILBOX),
    backlog: { events: given.backlog?.events ?? 100_000, bytes: given.backlog?.bytes ?? 64 * MIB },
    onStoreFailure: given.onStoreFailure ?? 'refuse',
    maxChain: given.maxChain,
    deadLetters: parseDeadLetters(given.deadLetters),
    retention,
    closeTimeoutMs: toMs(given.closeTimeout ?? '10s', 'closeTimeout'),
    cache: cacheLimits(given.cache),
    sinks: parseSinks(given.sinks, given.store),
    clock: given.clock ?? systemClock,
  });
}

/** Parses a subscription's options. Throws `INVALID_PATTERN`, `INVALID_OPTION`, `INVALID_FILTER`, `INVALID_PATH`. */
export function parseSubscribe(pattern: unknown, options: unknown, defaults: MailboxLimits): ParsedSubscribe {
  const { text } = parsePattern(pattern);
  // Most subscriptions have no options; they need not pass the schema.
  if (options === undefined) return { pattern: text, concurrency: 1, mailbox: defaults };
  const given = parseWith(subscribeSchema, options, `on(${JSON.stringify(text)})`);
  const retry = parseRetry(given.retry);
  const mailbox = mailboxLimits(given.mailbox, defaults);
  if (mailbox.overflow === 'lag' && defaults.overflow !== 'lag') {
    const policies =
      "'reject', 'drop-oldest', 'latest-by-key' or 'wait' ('lag' is for readers of observables and iterators)";
    throw expected('INVALID_OPTION', `\`mailbox.overflow\` of on(${JSON.stringify(text)})`, policies, 'lag');
  }
  if (mailbox.overflow === 'latest-by-key' && given.key === undefined) {
    throw new TelltaleError(
      'INVALID_OPTION',
      "`mailbox.overflow: 'latest-by-key'` needs `key`, which says what the latest is of",
    );
  }
  if (given.replay !== undefined && given.group !== undefined)
    throw new TelltaleError('INVALID_OPTION', '`replay` and `group` exclude each other: a group shares live events');
  return {
    pattern: text,
    concurrency: given.concurrency ?? (given.key === undefined ? 1 : 16),
    mailbox,
    ...(given.where !== undefined && { where: compileFilter(given.where), filter: given.where }),
    ...(given.key !== undefined && { key: toKey(given.key, text) }),
    ...(typeof given.key === 'string' && { keyPath: given.key }),
    ...(given.group !== undefined && { group: given.group }),
    ...(given.replay !== undefined && { replay: given.replay }),
    ...(retry && { retry }),
    ...(given.from !== undefined && { from: { place: parseFrom(given), where: given.where } }),
    ...(given.signal !== undefined && { signal: given.signal }),
  };
}

function parseFrom(given: z.infer<typeof subscribeSchema>): Place {
  if (given.group !== undefined)
    throw new TelltaleError(
      'INVALID_OPTION',
      '`from` and `group` exclude each other; `bus.consume` reads the log in groups',
    );
  if (given.replay !== undefined)
    throw new TelltaleError('INVALID_OPTION', '`from` and `replay` exclude each other: both tell what is stored');
  if (given.mailbox?.overflow !== undefined) {
    const text = '`from` and `mailbox.overflow` exclude each other: what there is no room for waits in the log';
    throw new TelltaleError('INVALID_OPTION', text);
  }
  return checkPlace(given.from as Place, 'from');
}

/** `true` is a cache with all defaults, `false` none. */
function plainCache(options: unknown): unknown {
  if (!isObject(options) || typeof options['cache'] !== 'boolean') return options;
  return { ...options, cache: options['cache'] ? {} : undefined };
}

function cacheLimits(
  given: { entries?: number | undefined; bytes?: number | undefined; ttl?: Duration | undefined } | undefined,
): CacheLimits | undefined {
  if (given === undefined) return undefined;
  const { entries = 1_000, bytes = 16 * MIB, ttl = '5m' } = given;
  const ttlMs = toPositiveMs(ttl, 'cache.ttl', '`cache.ttl` of createBus');
  return { entries, bytes, ttlMs };
}

const settledSchema = z.strictObject({ timeout: duration.optional() }, 'an object');

/** How long `settled` waits; Infinity where nothing is said. Throws `INVALID_OPTION`, `INVALID_DURATION`. */
export function parseSettled(options: unknown): number {
  const { timeout } = parseWith(settledSchema, options, 'settled');
  return timeout === undefined ? Infinity : toMs(timeout, 'timeout');
}

function mailboxLimits(
  given: { max?: number | undefined; maxBytes?: number | undefined; overflow?: Overflow | undefined } | undefined,
  defaults: MailboxLimits,
): MailboxLimits {
  return {
    max: given?.max ?? defaults.max,
    maxBytes: given?.maxBytes ?? defaults.maxBytes,
    overflow: given?.overflow ?? defaults.overflow,
  };
}

function toKey(key: string | ((event: TelltaleEvent) => unknown), pattern: string): (event: TelltaleEvent) => unknown {
  if (typeof key === 'function') return key;
  const field = parseField(key, 'INVALID_OPTION', `\`key\` of on(${JSON.stringify(pattern)})`);
  return (event) => field.read(event);
}

const CLOCK = ['now', 'monotonic', 'after', 'wait'];
const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
