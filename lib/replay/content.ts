import { contentHash } from '../event/content-hash.ts';
import type { TelltaleEvent } from '../event/event.ts';

/** Paths that are not compared, their segments. */
export type Ignored = readonly (readonly string[])[];

const STARTED = '.started';
const ENDED = ['.finished', '.failed'];

/**
 * Is this what `record` adds when what it has begun ends? Known by its name and its cause, so that logs written by
 * earlier versions are compared in the same way.
 */
export function isRecordedEnd(cause: TelltaleEvent | undefined, type: string): boolean {
  if (cause === undefined || !cause.type.endsWith(STARTED)) return false;
  const name = cause.type.slice(0, -STARTED.length);
  return ENDED.some((ending) => type === `${name}${ending}`);
}

/** Hash of what the callers gave, without what no two runs have in common. */
export function comparedHash(event: TelltaleEvent, ignored: Ignored, recordedEnd: boolean): string {
  const { $content: _, ...metadata } = event.metadata;
  const payload = recordedEnd ? withoutTiming(event.payload) : event.payload;
  const compared = ignored.reduce<{ payload: unknown; metadata: unknown }>(without, { payload, metadata });
  return contentHash({ ...event, source: '', ...compared } as TelltaleEvent);
}

// How long it took, and through which frames it failed: in a replay they are others.
function withoutTiming(payload: unknown): unknown {
  if (!isObject(payload)) return payload;
  const { durationMs: _, ...rest } = payload;
  return 'error' in rest ? { ...rest, error: withoutStacks(rest['error']) } : rest;
}

function withoutStacks(error: unknown): unknown {
  if (!isObject(error) || Array.isArray(error)) return error;
  const { stack: _, ...rest } = error;
  return 'cause' in rest ? { ...rest, cause: withoutStacks(rest['cause']) } : rest;
}

function without<T>(value: T, [key, ...deeper]: readonly string[]): T {
  if (key === undefined || !isObject(value) || !Object.hasOwn(value, key)) return value;
  const copy = (Array.isArray(value) ? [...value] : { ...value }) as Record<string, unknown>;
  if (deeper.length === 0) delete copy[key];
  else copy[key] = without(copy[key], deeper);
  return copy as T;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
