import { expected } from './errors.ts';

/** Milliseconds, or a number with a unit: `'250ms'`, `'30s'`, `'5m'`, `'24h'`, `'7d'`. */
export type Duration = number | `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`;

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Parses an option's duration into ms. Throws `INVALID_DURATION`. */
export function toMs(duration: Duration, name = 'the duration'): number {
  if (typeof duration === 'number' && Number.isFinite(duration) && duration >= 0) return duration;
  const match = typeof duration === 'string' ? /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(duration) : null;
  if (!match)
    throw expected('INVALID_DURATION', `\`${name}\``, `milliseconds from 0 or a string such as '30s'`, duration);
  return Number(match[1]) * UNIT_MS[match[2]!]!;
}

/** As `toMs`. Throws `INVALID_OPTION` where it is 0, naming the `thing`. */
export function toPositiveMs(duration: Duration, name: string, thing: string): number {
  const ms = toMs(duration, name);
  if (ms > 0) return ms;
  throw expected('INVALID_OPTION', thing, 'a duration above 0', duration);
}
