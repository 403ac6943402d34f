import { expected } from '../errors.ts';

const TYPE = /^\$?[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+){0,15}$/;
const MAX_LENGTH = 255;
const MEMO_LIMIT = 10_000;
const known = new Set<string>();

/**
 * The type, if it is 1 to 16 dotted segments of letters, digits, `_` and `-` in at most 255 characters; `$` may come
 * first (see `isReserved`). Throws `INVALID_TYPE`. A type seen before costs one lookup.
 */
export function checkType(type: unknown): string {
  if (known.has(type as string)) return type as string;
  if (typeof type !== 'string' || type.length > MAX_LENGTH || !TYPE.test(type)) {
    const rule = '1 to 16 dotted segments of letters, digits, _ and -, at most 255 characters';
    throw expected('INVALID_TYPE', 'the event type', rule, type);
  }
  // Types made up at run time (`task.<uuid>.done`) must not grow the memo for ever.
  if (known.size >= MEMO_LIMIT) known.clear();
  known.add(type);
  return type;
}

/** Whether a type, an entity or a metadata key belongs to the bus. */
export function isReserved(name: string): boolean {
  return name.charCodeAt(0) === 0x24;
}
