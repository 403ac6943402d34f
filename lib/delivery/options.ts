import { toMs, type Duration } from '../duration.ts';
import { expected, TelltaleError } from '../errors.ts';
import type { TelltaleEvent } from '../event/event.ts';
import { isId } from '../event/identity.ts';
import { parsePattern } from '../event/pattern.ts';
import type { Place } from '../event/place.ts';
import { compileFilter } from '../filter/compile.ts';
import { parseField } from '../filter/field.ts';
import type { Filter } from '../filter/language.ts';
import { checkSignal, isCount, mustKnow } from '../parse-options.ts';
import { parseRetry, type RetryOptions } from '../retry.ts';
import { checkPlace, SINK_PREFIX } from '../store/read/resolve-place.ts';
import type { CheckpointTarget } from './target.ts';
import type { ConsumerHandler, ConsumerTerms, OnFailure } from './terms.ts';

export interface ConsumerBatch {
  /** Events that the handler is given at once, from 1. @default 100 */
  readonly max?: number;
  /** How long a batch that is not full waits for more. @default 0: what is there is handled */
  readonly wait?: Duration;
}

/** What `consume` takes beside name, pattern and handler. */
export interface ConsumeOptions {
  /** Only events this filter accepts, as they are stored. */
  readonly where?: Filter;
  /** Where it begins if there is no checkpoint of this name, inclusive; times mean `storedAt`. @default 'earliest' */
  readonly from?: Place;
  /** A dotted path or a function: events of one key are handled in order, different keys side by side. */
  readonly key?: string | ((event: TelltaleEvent) => unknown);
  /** How many handlers may run at once. Without `key` this gives up order. @default 1, with `key` 16 */
  readonly concurrency?: number;
  /**
   * All consumers of this name, in this process and in others on a shared store, divide the events by their key, in 64
   * partitions; without `key` by their id, which gives up order. @default false: one works, and one that is started
   * later takes over
   */
  readonly group?: boolean;
  /** Tries a failed handler again, holding its lane. @default 3 attempts */
  readonly retry?: RetryOptions | number | boolean;
  /**
   * After the last attempt. `skip-event`: the event becomes a dead letter, the rest goes on. `skip-key`: it becomes a
   * dead letter, and later events of its key wait until that is closed or discarded, or `resume` tries it again. `pause`: nothing
   * more is begun until `resume`. @default 'skip-event'
   */
  readonly onFailure?: OnFailure;
  /** The handler is given arrays, in order, one at a time. @default one event a call */
  readonly batch?: ConsumerBatch;
  /**
   * Keeps the checkpoint where the handler keeps what it makes of the events: both are committed together, so that each
   * event takes effect there exactly once. One handler at a time, in a group one for each partition.
   * @default the bus's store: at least once, with `event.id` as the key by which a repetition is known
   */
  readonly checkpointIn?: CheckpointTarget<never>;
  /** With `checkpointIn`: makes the state as it was before the first event; `rewind` needs it. */
  readonly onReset?: (tx: never) => unknown;
  /** Stops the consumer. */
  readonly signal?: AbortSignal;
}

export interface ParsedConsume extends ConsumerTerms {
  readonly signal: AbortSignal | undefined;
}

const KNOWN = [
  ['where', 'from', 'key', 'concurrency', 'group', 'retry', 'onFailure'],
  ['batch', 'checkpointIn', 'onReset', 'signal'],
].flat();
const POLICIES: readonly OnFailure[] = ['pause', 'skip-event', 'skip-key'];

/** Throws `INVALID_OPTION`, `INVALID_PATTERN`, `INVALID_FILTER`, `INVALID_PLACE`, `INVALID_DURATION`. */
export function parseConsume(
  name: unknown,
  pattern: unknown,
  handler: unknown,
  options: ConsumeOptions = {},
): ParsedConsume {
  if (!isId(name))
    throw expected('INVALID_OPTION', 'the name of a consumer', 'a well-formed string of 1 to 256 bytes', name);
  if (name.startsWith(SINK_PREFIX))
    throw expected('INVALID_OPTION', 'the name of a consumer', `one that does not begin with \`${SINK_PREFIX}\``, name);
  const of = `consume(${JSON.stringify(name)})`;
  const { text } = parsePattern(pattern);
  if (typeof handler !== 'function') throw expected('INVALID_OPTION', `the handler of ${of}`, 'a function', handler);
  mustKnow(options, KNOWN, of);
  mustFit(options, of);
  const { where, from = 'earliest', key, group = false, retry = true, onFailure = 'skip-event', batch } = options;
  if (where !== undefined) compileFilter(where);
  const target = options.checkpointIn as unknown as CheckpointTarget | undefined;
  const wide = key !== undefined && batch === undefined && target === undefined;
  return {
    name,
    pattern: text,
    where,
    from: checkPlace(from, 'from'),
    handler: handler as ConsumerHandler,
    key: keyOf(key, of),
    keyText: typeof key === 'function' ? '(function)' : key,
    concurrency: options.concurrency ?? (wide || (group && key !== undefined) ? 16 : 1),
    group,
    retry: parseRetry(retry),
    onFailure,
    batch: batch && { max: batch.max ?? 100, waitMs: toMs(batch.wait ?? 0, `batch.wait of ${of}`) },
    target,
    onReset: options.onReset as ((tx: unknown) => unknown) | undefined,
    signal: checkSignal(options.signal, of),
  };
}

function mustFit(options: ConsumeOptions, of: string): void {
  const { concurrency, group, onFailure, batch, checkpointIn, onReset } = options;
  const wants = (option: string, expectation: string, actual: unknown): TelltaleError =>
    expected('INVALID_OPTION', `\`${option}\` of ${of}`, expectation, actual);
  if (concurrency !== undefined && !isCount(concurrency)) throw wants('concurrency', 'an integer from 1', concurrency);
  if (group !== undefined && typeof group !== 'boolean') throw wants('group', 'true or false', group);
  if (onFailure !== undefined && !POLICIES.includes(onFailure))
    throw wants('onFailure', `one of ${POLICIES.map((policy) => `'${policy}'`).join(', ')}`, onFailure);
  if (batch !== undefined && (typeof batch !== 'object' || batch === null || Array.isArray(batch)))
    throw wants('batch', 'an object', batch);
  if (batch) mustKnow(batch, ['max', 'wait'], `the batch of ${of}`);
  if (batch?.max !== undefined && !isCount(batch.max)) throw wants('batch.max', 'an integer from 1', batch.max);
  if (checkpointIn !== undefined && !isTarget(checkpointIn))
    throw wants('checkpointIn', 'a target with `claim`, `commit` and `retry`', checkpointIn);
  if (onReset !== undefined && typeof onReset !== 'function') throw wants('onReset', 'a function', onReset);
  const contradiction = contradictionOf(options);
  if (contradiction) throw new TelltaleError('INVALID_OPTION', `${contradiction} (${of})`);
}

function contradictionOf(options: ConsumeOptions): string | undefined {
  const { key, concurrency, group, onFailure, batch, checkpointIn, onReset } = options;
  const serial = checkpointIn ? 'checkpointIn' : batch ? 'batch' : undefined;
  if (serial && !group && (key !== undefined || (concurrency ?? 1) > 1))
    return `\`${serial}\` goes one after the other: \`key\` and \`concurrency\` need \`group: true\` beside it`;
  if (onFailure === 'skip-key' && (key === undefined || serial))
    return "`onFailure: 'skip-key'` needs `key`, and neither `batch` nor `checkpointIn`";
  if (onReset && !checkpointIn) return '`onReset` needs `checkpointIn`, whose state it resets';
  return undefined;
}

function keyOf(key: ConsumeOptions['key'], of: string): ConsumerTerms['key'] {
  if (key === undefined || typeof key === 'function') return key;
  if (typeof key !== 'string') throw expected('INVALID_OPTION', `\`key\` of ${of}`, 'a dotted path or a function', key);
  const field = parseField(key, 'INVALID_OPTION', `\`key\` of ${of}`);
  return (event) => field.read(event);
}

function isTarget(value: unknown): boolean {
  const { claim, commit, retry } = (value ?? {}) as Partial<CheckpointTarget>;
  return [claim, commit, retry].every((one) => typeof one === 'function');
}
