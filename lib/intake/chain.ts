import type { Chain } from '../context.ts';
import { TelltaleError } from '../errors.ts';

/** More events than this within a second in one chain look like a loop. */
const SUSPICIOUS = 1_000;
const WINDOW_MS = 1_000;
/** How many types are remembered before the alarm, to name the cycle. */
const REMEMBERED = 64;

/** The chain of a new event below `above`. Throws `CAUSATION_TOO_DEEP` where `maxChain` is set. */
export function growChain(above: Chain, type: string, now: number, maxChain: number | undefined): Chain {
  const depth = above.depth + 1;
  if (maxChain !== undefined && depth >= maxChain) {
    const text = `\`${type}\` would be event ${depth + 1} of its causal chain, maxChain is ${maxChain}`;
    throw new TelltaleError('CAUSATION_TOO_DEEP', text, { details: { type, depth: depth + 1, maxChain } });
  }
  if (now - above.since > WINDOW_MS) return { depth, since: now, sinceDepth: depth, recent: undefined };
  const grown = depth - above.sinceDepth;
  const recent = grown > SUSPICIOUS - REMEMBERED ? [...(above.recent ?? []).slice(1 - REMEMBERED), type] : undefined;
  return { depth, since: above.since, sinceDepth: above.sinceDepth, recent };
}

/** The cycle of types a chain runs in, once it has grown by more than 1,000 events within a second. */
export function suspectedCycle(chain: Chain): readonly string[] | undefined {
  if (chain.recent === undefined || chain.depth - chain.sinceDepth <= SUSPICIOUS) return undefined;
  const types = chain.recent;
  const last = types.length - 1;
  for (let period = 1; period <= types.length / 2; period++) {
    if (types.every((type, i) => i + period > last || type === types[i + period])) return types.slice(-period);
  }
  return [...new Set(types)];
}
