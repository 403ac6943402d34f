import { toPositiveMs, type Duration } from '../duration.ts';
import { expected } from '../errors.ts';
import { isCount, mustKnow } from '../parse-options.ts';

/** When an actor takes a snapshot by itself, whichever comes first, and how it is kept. */
export interface SnapshotOptions {
  /** So many facts behind the last one. @default none */
  readonly every?: number;
  /**
   * The oldest fact behind the last one was stored so long ago; looked at when facts are stored and when the state was
   * rebuilt. @default never
   */
  readonly after?: Duration;
  /** The payloads of the facts behind the last one have so many bytes as JSON. @default none */
  readonly bytes?: number;
  /**
   * A rebuild took longer than this: then at once, and from then on after as many facts as are rebuilt within it. Fewer
   * than 16 facts are never worth it. `true`: 50 ms. @default true
   */
  readonly adaptive?: boolean | Duration;
  /** A state of more bytes as JSON is kept compressed; `Infinity`: none is. @default 16384 */
  readonly compressAbove?: number;
}

/** Checked; `Infinity` where something never makes one due. */
export interface SnapshotPolicy {
  readonly every: number;
  readonly afterMs: number;
  readonly bytes: number;
  readonly adaptiveMs: number;
  readonly compressAbove: number;
}

/** What lies behind the last snapshot. */
export interface Unsaved {
  /** Facts. */
  readonly unsaved: number;
  /** Of their payloads; counted only where the policy asks for it. */
  readonly unsavedBytes: number;
  /** When the oldest of them was stored; 0 without any. */
  readonly unsavedSince: number;
  /** So many facts are rebuilt as quickly as the policy wants it; `Infinity` while rebuilding is quick enough. */
  readonly pace: number;
}

/** Nothing does. */
export const ALL_SAVED: Unsaved = { unsaved: 0, unsavedBytes: 0, unsavedSince: 0, pace: Infinity };

const ADAPTIVE = '50ms';
const COMPRESS_ABOVE = 16 * 1024;
/** A machine that is busy takes long for anything; a snapshot saves nothing then. */
const LEAST_FACTS = 16;

/** Throws `INVALID_OPTION`, `INVALID_DURATION`. */
export function parseSnapshot(given: unknown = {}, of: string): SnapshotPolicy {
  const thing = (option: string): string => `\`snapshot.${option}\` of ${of}`;
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw expected('INVALID_OPTION', `\`snapshot\` of ${of}`, 'an object', given);
  mustKnow(given, ['every', 'after', 'bytes', 'adaptive', 'compressAbove'], `\`snapshot\` of ${of}`);
  const { every, after, bytes, adaptive = true, compressAbove = COMPRESS_ABOVE } = given as SnapshotOptions;
  if (every !== undefined && !isCount(every))
    throw expected('INVALID_OPTION', thing('every'), 'an integer from 1', every);
  if (bytes !== undefined && !isCount(bytes))
    throw expected('INVALID_OPTION', thing('bytes'), 'an integer from 1', bytes);
  if (compressAbove !== Infinity && !isCount(compressAbove))
    throw expected('INVALID_OPTION', thing('compressAbove'), 'an integer from 1, or Infinity', compressAbove);
  return {
    every: every ?? Infinity,
    afterMs: after === undefined ? Infinity : toPositiveMs(after, 'snapshot.after', thing('after')),
    bytes: bytes ?? Infinity,
    adaptiveMs: parseAdaptive(adaptive, thing('adaptive')),
    compressAbove,
  };
}

/** Is it time for a snapshot? */
export function isDue(
  policy: SnapshotPolicy,
  { unsaved, unsavedBytes, unsavedSince, pace }: Unsaved,
  now: number,
): boolean {
  if (unsaved === 0) return false;
  if (unsaved >= Math.min(policy.every, pace) || unsavedBytes >= policy.bytes) return true;
  return now - unsavedSince >= policy.afterMs;
}

/** How many facts are rebuilt in time, after a rebuild of so many that took so long. */
export function paceOf({ adaptiveMs }: SnapshotPolicy, facts: number, tookMs: number): number {
  if (tookMs <= adaptiveMs || facts < LEAST_FACTS) return Infinity;
  return Math.max(LEAST_FACTS, Math.floor((facts * adaptiveMs) / tookMs));
}

/** Bytes of a payload as JSON, for a policy that goes by them. */
export function countedBytes({ bytes }: SnapshotPolicy, payload: unknown): number {
  return bytes === Infinity ? 0 : Buffer.byteLength(JSON.stringify(payload));
}

function parseAdaptive(adaptive: boolean | Duration, thing: string): number {
  if (adaptive === false) return Infinity;
  return toPositiveMs(adaptive === true ? ADAPTIVE : adaptive, 'snapshot.adaptive', thing);
}
