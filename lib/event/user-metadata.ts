import { TelltaleError, expected } from '../errors.ts';

const PRIORITIES: ReadonlySet<unknown> = new Set(['low', 'normal', 'high', 'critical']);

/**
 * Refuses metadata keys that begin with `$`, which belong to the bus, and well-known keys with a value nobody could
 * act on. Takes admitted metadata. Throws `RESERVED_TYPE`, `INVALID_OPTION`.
 */
export function checkUserMetadata(metadata: object): void {
  for (const key in metadata) {
    if (key.charCodeAt(0) !== 0x24) continue;
    throw new TelltaleError('RESERVED_TYPE', `metadata.${key} is refused: keys that begin with $ are set by the bus`);
  }
  const { priority, tags } = metadata as { readonly priority?: unknown; readonly tags?: unknown };
  if (priority !== undefined && !PRIORITIES.has(priority))
    throw expected('INVALID_OPTION', '`metadata.priority`', "'low', 'normal', 'high' or 'critical'", priority);
  if (tags !== undefined && !(Array.isArray(tags) && tags.every((tag) => typeof tag === 'string')))
    throw expected('INVALID_OPTION', '`metadata.tags`', 'an array of strings', tags);
}
