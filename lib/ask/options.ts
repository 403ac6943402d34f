import { toPositiveMs, type Duration } from '../duration.ts';
import { expected } from '../errors.ts';
import { checkSignal, isCount, mustKnow } from '../parse-options.ts';
import type { To } from './whole-call.ts';

export interface AskTerms {
  readonly timeoutMs: number;
  readonly to: To;
  readonly store: boolean;
  readonly signal: AbortSignal | undefined;
  readonly concurrency: number;
  /** What is said of the request as an event. */
  readonly event: Readonly<Record<string, unknown>>;
}

const TIMEOUT_MS = 5_000;
const CONCURRENCY = 16;
const TRANSIENT = Object.freeze({ transient: true });
const DEFAULTS: AskTerms = {
  timeoutMs: TIMEOUT_MS,
  to: 'one',
  store: false,
  signal: undefined,
  concurrency: CONCURRENCY,
  event: TRANSIENT,
};
const OWN: Readonly<Record<Asks, readonly string[]>> = {
  ask: ['timeout', 'to', 'store', 'signal'],
  askEach: ['timeout', 'store', 'signal', 'concurrency'],
  askStream: ['timeout', 'store', 'signal'],
};

type Asks = 'ask' | 'askEach' | 'askStream';

/** `ofEvents` are the options of every event. Throws `INVALID_OPTION`, `INVALID_DURATION`. */
export function parseAsk(of: Asks, options: unknown, ofEvents: readonly string[]): AskTerms {
  if (options === undefined) return DEFAULTS;
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw expected('INVALID_OPTION', `the options of ${of}`, 'an object', options);
  const { timeout, to, store = false, signal, concurrency, ...event } = options as Readonly<Record<string, unknown>>;
  // Each of many needs an id of its own.
  const known = [...OWN[of], ...ofEvents.filter((name) => of !== 'askEach' || name !== 'id')];
  mustKnow(options, known, of);
  if (typeof store !== 'boolean') throw expected('INVALID_OPTION', `\`store\` of ${of}`, 'true or false', store);
  const terms = {
    timeoutMs: timeout === undefined ? TIMEOUT_MS : parseTimeout(timeout, of),
    to: to === undefined ? 'one' : parseTo(to),
    store,
    signal: checkSignal(signal, of),
    concurrency: concurrency === undefined ? CONCURRENCY : parseCount(concurrency, `\`concurrency\` of ${of}`),
  } as const;
  return { ...terms, event: { ...event, transient: !store } };
}

function parseTimeout(timeout: unknown, of: Asks): number {
  return toPositiveMs(timeout as Duration, 'timeout', `\`timeout\` of ${of}`);
}

function parseTo(to: unknown): To {
  if (to === 'one' || to === 'all') return to;
  if (typeof to === 'object' && to !== null && Object.keys(to).join() === 'quorum')
    return { quorum: parseCount((to as { readonly quorum: unknown }).quorum, '`to.quorum` of ask') };
  throw expected('INVALID_OPTION', '`to` of ask', "'one', 'all' or { quorum: n }", to);
}

function parseCount(count: unknown, thing: string): number {
  if (isCount(count)) return count;
  throw expected('INVALID_OPTION', thing, 'an integer from 1', count);
}
