import { toMs, type Duration } from '../duration.ts';
import { expected, TelltaleError } from '../errors.ts';
import type { TelltaleEvent } from '../event/event.ts';
import { parseField } from '../filter/field.ts';
import { checkSignal, mustKnow } from '../parse-options.ts';
import { parseRetry, type RetryOptions, type RetryPolicy } from '../retry.ts';
import { parseSelection, SELECTION, type ParsedSelection, type Selection } from '../store/read/selection.ts';

/** What is told again, how fast, and into what. Without `pattern` or `type`, everything but the bus's own `$` events. */
export interface ReplayOptions<Into = unknown> extends Selection {
  /**
   * Where the events go: a handler `(event, context)`, an object from patterns to handlers, an observer
   * (`{ next, complete, error }`), another bus, or this very bus, where only subscriptions with `replay: 'only' | 'both'`
   * hear them. Required unless `dryRun`.
   */
  readonly into?: Into;
  /** By `time` costs a look through the window for each 10,000 events, and one more to count them. @default 'position' */
  readonly order?: 'position' | 'time';
  /** @default 'forward' */
  readonly direction?: 'forward' | 'backward';
  /** As fast as it goes, as it was, or so many times as fast (0.5 is half as fast). @default 'max' */
  readonly speed?: 'max' | 'original' | number;
  /** The longest wait between two events, at the speed of the replay. @default none: a night in the log is a night */
  readonly maxGap?: Duration;
  /** A dotted path or a function: events of one key are handled in order, different keys side by side. Handlers only. */
  readonly key?: string | ((event: TelltaleEvent) => unknown);
  /** How many handlers may run at once. Without `key` this gives up order. Handlers only. @default 1, with `key` 16 */
  readonly concurrency?: number;
  /** Tries again what failed, holding its lane. Handlers and other buses only. @default no retry */
  readonly retry?: RetryOptions | number | boolean;
  /** Tells nobody, and answers what would be told and how long it would take. @default false */
  readonly dryRun?: boolean;
  /** Takes what is emitted into the log and delivers it, with the replay's id in `metadata.$replay`. @default false: captured */
  readonly accept?: boolean;
}

/** Options that have been checked. */
export interface ParsedReplay {
  readonly selection: ParsedSelection;
  readonly byTime: boolean;
  readonly backward: boolean;
  /** Infinity for `max`. */
  readonly factor: number;
  readonly maxGapMs: number;
  readonly key: ((event: TelltaleEvent) => unknown) | undefined;
  readonly concurrency: number;
  readonly retry: RetryPolicy | undefined;
  readonly dryRun: boolean;
  readonly accept: boolean;
}

const OWN = [
  ['into', 'order', 'direction', 'speed', 'maxGap'],
  ['key', 'concurrency', 'retry', 'dryRun', 'accept'],
].flat();

/** Throws `INVALID_OPTION`, `INVALID_QUERY`, `INVALID_DURATION` and what the parts of a selection throw. */
export function parseReplay(options: ReplayOptions): ParsedReplay {
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw expected('INVALID_OPTION', 'the argument of `replay`', 'an object of options', options);
  mustKnow(options, [...SELECTION, ...OWN], 'replay');
  const { into, order, direction, speed, maxGap, key, concurrency, dryRun, accept, signal } = options;
  oneOf(order, 'order', ['position', 'time']);
  oneOf(direction, 'direction', ['forward', 'backward']);
  isBoolean(dryRun, 'dryRun');
  isBoolean(accept, 'accept');
  checkSignal(signal, 'replay');
  if (concurrency !== undefined && !(Number.isSafeInteger(concurrency) && concurrency >= 1))
    throw expected('INVALID_OPTION', '`concurrency` of replay', 'an integer from 1', concurrency);
  if (into === undefined && dryRun !== true)
    throw new TelltaleError(
      'INVALID_OPTION',
      '`into` of replay is required: a handler, an object from patterns to handlers, an observer or a bus; or set `dryRun: true`',
    );
  const selected = Object.entries(options).filter(([name]) => SELECTION.includes(name));
  return {
    selection: parseSelection(Object.fromEntries(selected), 'replay'),
    byTime: order === 'time',
    backward: direction === 'backward',
    factor: factorOf(speed),
    maxGapMs: maxGap === undefined ? Infinity : toMs(maxGap, 'maxGap'),
    key: keyOf(key),
    concurrency: concurrency ?? (key === undefined ? 1 : 16),
    retry: parseRetry(options.retry),
    dryRun: dryRun === true,
    accept: accept === true,
  };
}

function factorOf(speed: unknown): number {
  if (speed === undefined || speed === 'max') return Infinity;
  if (speed === 'original') return 1;
  if (typeof speed === 'number' && Number.isFinite(speed) && speed > 0) return speed;
  throw expected('INVALID_OPTION', '`speed` of replay', "'max', 'original' or a finite number above 0", speed);
}

function keyOf(key: unknown): ParsedReplay['key'] {
  if (key === undefined) return undefined;
  if (typeof key === 'function') return key as ParsedReplay['key'];
  if (typeof key !== 'string') throw expected('INVALID_OPTION', '`key` of replay', 'a dotted path or a function', key);
  const field = parseField(key, 'INVALID_OPTION', '`key` of replay');
  return (event) => field.read(event);
}

function oneOf(value: unknown, name: string, known: readonly string[]): void {
  if (value === undefined || known.includes(value as string)) return;
  throw expected('INVALID_OPTION', `\`${name}\` of replay`, known.map((word) => `'${word}'`).join(' or '), value);
}

function isBoolean(value: unknown, name: string): void {
  if (value === undefined || typeof value === 'boolean') return;
  throw expected('INVALID_OPTION', `\`${name}\` of replay`, 'true or false', value);
}
