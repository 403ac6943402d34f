import { expected, TelltaleError } from '../errors.ts';
import { isId } from '../event/identity.ts';
import { parsePattern } from '../event/pattern.ts';
import type { Place } from '../event/place.ts';
import { compileFilter } from '../filter/compile.ts';
import type { Filter } from '../filter/language.ts';
import { isOptions, mustKnow } from '../parse-options.ts';
import { parseRetry, type RetryOptions, type RetryPolicy } from '../retry.ts';
import type { Sink, Store } from '../store/port.ts';
import { checkPlace } from '../store/read/resolve-place.ts';

/** A sink, and what it gets. */
export interface SinkOptions {
  readonly sink: Sink | Store;
  /** What its checkpoint is called, and a retention rule that waits for it: `sink/<name>`. At most 251 bytes. @default the sink's own name */
  readonly name?: string;
  /** One or several. @default '**': everything but the bus's own events */
  readonly pattern?: string | readonly string[];
  /** Events this filter accepts, as they are stored. @default all */
  readonly where?: Filter;
  /** Where it begins without a checkpoint, inclusive; times mean `storedAt`. @default 'earliest' */
  readonly from?: Place;
  /** How a failed write is tried again. @default for ever, after 100 ms and then ever later, up to 30 s */
  readonly retry?: RetryOptions | number | boolean;
}

export interface ParsedSink {
  readonly sink: Sink | Store;
  readonly name: string;
  readonly where: Filter;
  readonly from: Place;
  readonly retry: RetryPolicy;
}

/** With `sink/` before it, it is the key of a document. */
const MAX_NAME = 256 - 'sink/'.length;
const KEYS = ['sink', 'name', 'pattern', 'where', 'from', 'retry'];
const ONCE: RetryPolicy = { attempts: 1, delayMs: 0, factor: 1, maxDelayMs: 0, jitter: 0 };

/** Throws `INVALID_OPTION`, `INVALID_PATTERN`, `INVALID_FILTER`, `INVALID_PATH`, `INVALID_PLACE`, `INVALID_DURATION`. */
export function parseSinks(given: unknown, store: Store | undefined): readonly ParsedSink[] {
  if (given === undefined) return [];
  if (!Array.isArray(given))
    throw expected('INVALID_OPTION', '`sinks` of createBus', 'an array of stores or sinks', given);
  if (given.length > 0 && (store === undefined || store.supports.readOnly === true))
    throw new TelltaleError(
      'INVALID_OPTION',
      '`sinks` of createBus needs a `store` that may be written: they live off its log',
    );
  const parsed = given.map((entry, index) => parseSink(entry, `sinks[${index}]`));
  for (const [index, { name, sink }] of parsed.entries()) {
    if (sink === store)
      throw new TelltaleError('INVALID_OPTION', `\`sinks[${index}]\` of createBus is the \`store\` of the bus`);
    if (parsed.findIndex((other) => other.name === name) === index) continue;
    throw new TelltaleError(
      'INVALID_OPTION',
      `two \`sinks\` of createBus are called ${name}: give one a \`name\` of its own`,
    );
  }
  return parsed;
}

/** Stores take appends, sinks writes. */
export function isStore(sink: Sink | Store): sink is Store {
  return typeof (sink as Partial<Store>).enqueue === 'function';
}

function parseSink(given: unknown, at: string): ParsedSink {
  const options = (hasKey(given, 'sink') ? given : { sink: given }) as unknown as SinkOptions;
  mustKnow(options, KEYS, at);
  const { sink, where, from = 'earliest', pattern = '**' } = options;
  if (!hasKey(sink, 'open') || !(isStore(sink) || hasKey(sink, 'write')))
    throw expected('INVALID_OPTION', `\`${at}\` of createBus`, 'a store, a sink or { sink, … }', sink);
  const { name = sink.name } = options;
  if (!isId(name) || Buffer.byteLength(name) > MAX_NAME)
    throw expected('INVALID_OPTION', `\`${at}.name\``, `a well-formed string of 1 to ${MAX_NAME} bytes`, name);
  if (isStore(sink) && sink.supports.readOnly === true)
    throw new TelltaleError('INVALID_OPTION', `\`${at}\` of createBus is read-only: nothing could be written to it`);
  if (where !== undefined) compileFilter(where);
  const patterns = (Array.isArray(pattern) ? pattern : [pattern]).map((one) => ({ type: parsePattern(one).text }));
  if (patterns.length === 0) throw expected('INVALID_OPTION', `\`${at}.pattern\``, 'at least one pattern', pattern);
  const conditions = [
    patterns.length === 1 ? patterns[0]! : { $or: patterns },
    ...(where === undefined ? [] : [where]),
  ];
  return {
    sink,
    name,
    where: { $and: conditions },
    from: checkPlace(from, `${at}.from`),
    retry: retryOf(options.retry, at),
  };
}

function retryOf(retry: SinkOptions['retry'], at: string): RetryPolicy {
  if (retry === false) return ONCE;
  if (retry === undefined || retry === true) return parseRetry({ attempts: Infinity })!;
  if (typeof retry === 'number') return parseRetry(retry)!;
  if (isOptions(retry)) return parseRetry({ attempts: Infinity, ...retry })!;
  throw expected('INVALID_OPTION', `\`${at}.retry\``, 'an object, a number of attempts or a boolean', retry);
}

function hasKey(value: unknown, key: string): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && key in value;
}
