import { TelltaleError } from '../errors.ts';
import type { TelltaleEvent } from '../event/event.ts';
import { parsePath, readPath } from '../event/path.ts';
import type { AdmitStage } from './stages.ts';

const REDACTED = '[redacted]';

/**
 * An admit stage that puts `'[redacted]'` in the place of whatever lies at the paths into `payload` and `metadata`;
 * events that have nothing there pass as they are. What admission refuses never reaches a stage: its dead letter holds
 * it unredacted. Throws `INVALID_PATH`.
 */
export function redact(...paths: readonly string[]): AdmitStage {
  const targets = paths.map((path) => {
    const segments = parsePath(path);
    if (segments.length > 1 && (segments[0] === 'payload' || segments[0] === 'metadata')) return segments;
    throw new TelltaleError('INVALID_PATH', `expected a path into payload or metadata, got ${JSON.stringify(path)}`);
  });
  return function redacted(event) {
    let current = event;
    for (const segments of targets) {
      if (readPath(current, segments) !== undefined) current = replaceAt(current, segments, 0) as TelltaleEvent;
    }
    return current;
  };
}

// Copies what lies on the way and nothing else: events are frozen and shared.
function replaceAt(value: unknown, segments: readonly string[], depth: number): unknown {
  if (depth === segments.length) return REDACTED;
  const key = segments[depth]!;
  const copy: unknown = Array.isArray(value) ? [...(value as unknown[])] : { ...(value as object) };
  Reflect.set(copy as object, key, replaceAt(Reflect.get(value as object, key), segments, depth + 1));
  return copy;
}
