import type { Cause, Chain } from '../context.ts';
import { TelltaleError } from '../errors.ts';

/** More events than this within a second in one chain look like a loop. */
const SUSPICIOUS = 1_000;
const WINDOW_MS = 1_000;
/** How many types are remembered before the alarm, to name the cycle. */
const REMEMBERED = 64;

/** The chain of a new event caused by `cause`. Throws `CAUSATION_TOO_DEEP` where `maxChain` is set. */
export function growChain(cause: Cause, type: string, now: number, maxChain: number | undefined): Chain {
  const { chain: above, handling: emitter } = cause;
  const depth = above.depth + 1;
  if (maxChain !== undefined && depth >= maxChain) {
    const text = `\`${type}\` would be event ${depth + 1} of its causal chain, maxChain is ${maxChain}`;
    throw new TelltaleError('CAUSATION_TOO_DEEP', text, { details: { type, depth: depth + 1, maxChain } });
  }
  if (now - above.since > WINDOW_MS) return { depth, since: now, sinceDepth: depth, recent: undefined, emitter };
  const grown = depth - above.sinceDepth;
  const recent = grown > SUSPICIOUS - REMEMBERED ? [...(above.recent ?? []).slice(1 - REMEMBERED), type] : undefined;
  return { depth, since: above.since, sinceDepth: above.sinceDepth, recent, emitter };
}

/** The cycle of types a chain runs in; answered once, when it has grown by more than 1,000 events within a second. */
export function suspectedCycle(chain: Chain): readonly string[] | undefined {
  if (chain.recent === undefined || chain.depth - chain.sinceDepth !== SUSPICIOUS + 1) return undefined;
  const types = chain.recent;
  const last = types.length - 1;
  for (let period = 1; period <= types.length / 2; period++) {
    if (types.every((type, i) => i + period > last || type === types[i + period])) return rotated(types.slice(-period));
  }
  return [...new Set(types)].toSorted();
}

// Beginning with its least type, so that one cycle has one name wherever the alarm finds it.
function rotated(cycle: readonly string[]): readonly string[] {
  const least = cycle.indexOf(cycle.toSorted()[0]!);
  return [...cycle.slice(least), ...cycle.slice(0, least)];
}
