import { toMs, toPositiveMs, type Duration } from '../duration.ts';
import { expected } from '../errors.ts';
import { mustKnow } from '../parse-options.ts';
import type { BusPort } from './bus-port.ts';
import type { PoolTerms } from './pool.ts';
import type { RestartPolicy } from './supervision.ts';

/** How a worker that died is started again. */
export interface RestartOptions {
  /** At most so many times `within` the time. @default 10 */
  readonly limit?: number;
  /** @default '60s' */
  readonly within?: Duration;
  /** Before the first restart; doubles with each further one, give or take a fifth. @default '100ms' */
  readonly delay?: Duration;
  /** @default '5s' */
  readonly maxDelay?: Duration;
}

/** What pools of threads and of processes have in common. */
export interface PoolOptions {
  /** What the pool and its workers are called: `name-1`, `name-2` … @default the script's name */
  readonly name?: string;
  /** How many workers. @default 1 */
  readonly size?: number;
  /** `false`: a worker that died stays dead. @default 10 times in 60 s, with growing delays */
  readonly restart?: boolean | RestartOptions;
  /** Whether an event goes to one of the workers that listen to its pattern, or to each. @default 'one' */
  readonly deliver?: 'one' | 'every';
  /** Events a worker may have in its hands, of 16 MiB at most; fewer even out slow handlers, more even out fast ones. @default 256 */
  readonly credits?: number;
  /** A worker whose event loop stands still for so long is ended, as if it had died. @default '30s' */
  readonly unresponsive?: Duration;
  /** How long a worker may take until it is connected. @default '30s' */
  readonly startTimeout?: Duration;
  /** How long the workers have for what is in their hands when the pool closes. @default the bus's `closeTimeout` */
  readonly closeTimeout?: Duration;
}

const KEYS = ['name', 'size', 'restart', 'deliver', 'credits', 'unresponsive', 'startTimeout', 'closeTimeout'];
const RESTART_KEYS = ['limit', 'within', 'delay', 'maxDelay'];
const MAX_SIZE = 1_024;
const MAX_CREDITS = 65_536;

export type ParsedPool = Omit<PoolTerms, 'start' | 'what'>;

/** Parses the options of a pool; `own` are those of its kind. Throws `INVALID_OPTION`, `INVALID_DURATION`. */
export function parsePool(
  options: PoolOptions,
  defaults: { readonly name: string; readonly bus: BusPort },
  terms: {
    readonly of: string;
    readonly own: readonly string[];
  },
): ParsedPool {
  const { of, own } = terms;
  mustKnow(options, [...own, ...KEYS], of);
  const { name = defaults.name, size = 1, credits = 256, deliver = 'one', restart = true } = options;
  const { unresponsive = '30s', startTimeout = '30s', closeTimeout = defaults.bus.closeTimeoutMs } = options;
  if (typeof name !== 'string' || name === '')
    throw expected('INVALID_OPTION', `\`name\` of ${of}`, 'a non-empty string', name);
  if (deliver !== 'one' && deliver !== 'every')
    throw expected('INVALID_OPTION', `\`deliver\` of ${of}`, "'one' or 'every'", deliver);
  return {
    name,
    size: count(size, MAX_SIZE, `\`size\` of ${of}`),
    credits: count(credits, MAX_CREDITS, `\`credits\` of ${of}`),
    deliver,
    restart: parseRestart(restart, of),
    unresponsiveMs: positive(unresponsive, 'unresponsive', of),
    startTimeoutMs: positive(startTimeout, 'startTimeout', of),
    drainTimeoutMs: toMs(closeTimeout, 'closeTimeout'),
  };
}

function parseRestart(given: boolean | RestartOptions, of: string): RestartPolicy | undefined {
  if (given === false) return undefined;
  const options = given === true ? {} : given;
  if (typeof options !== 'object' || options === null)
    throw expected('INVALID_OPTION', `\`restart\` of ${of}`, 'true, false or an object', given);
  mustKnow(options, RESTART_KEYS, `\`restart\` of ${of}`);
  const { limit = 10, within = '60s', delay = '100ms', maxDelay = '5s' } = options;
  return {
    limit: count(limit, Infinity, `\`restart.limit\` of ${of}`),
    withinMs: positive(within, 'restart.within', of),
    backoff: {
      attempts: Infinity,
      delayMs: toMs(delay, 'restart.delay'),
      factor: 2,
      maxDelayMs: toMs(maxDelay, 'restart.maxDelay'),
      jitter: 0.2,
    },
  };
}

function count(value: unknown, most: number, thing: string): number {
  if (Number.isInteger(value) && (value as number) >= 1 && (value as number) <= most) return value as number;
  throw expected(
    'INVALID_OPTION',
    thing,
    most === Infinity ? 'an integer from 1' : `an integer from 1 to ${most}`,
    value,
  );
}

function positive(value: Duration, name: string, of: string): number {
  return toPositiveMs(value, name, `\`${name}\` of ${of}`);
}
