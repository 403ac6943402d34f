import { isTelltaleError } from '../errors.ts';
import type { TelltaleEvent } from './event.ts';
import { parsePath, readPath } from './path.ts';
import { isWellFormed } from './well-formed.ts';

const BUILT_IN_PATHS = ['metadata.conversationId', 'metadata.requestId', 'metadata.sessionId'];
/** What a path is that a store can have an index of, in words. */
export const INDEX_PATH =
  'source or a dotted path into payload or metadata, of at most 512 characters; other fields of the envelope have an index already';

/** All paths that a store answers from an index: these in every store, and those it is told. */
export function indexedPaths(added: readonly string[]): readonly string[] {
  return [...new Set([...BUILT_IN_PATHS, ...added])];
}

/** The key under which an index has a value; it keeps JSON's types apart. Objects, arrays and nothing have none. */
export function indexKey(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) return `\u0000${String(value)}`;
  return undefined;
}

/** Whether a store can have an index of it: `source`, or a path into payload or metadata that can be followed. */
export function isIndexPath(path: unknown): path is string {
  if (path === 'source') return true;
  if (typeof path !== 'string' || !isWellFormed(path) || !/^(?:payload|metadata)\./.test(path)) return false;
  try {
    return parsePath(path).length > 1;
  } catch (error) {
    if (isTelltaleError(error, 'INVALID_PATH')) return false;
    throw error;
  }
}

/** Reads an event's key at a path; made once, because taking the path apart costs more than following it. */
export function indexKeyReader(path: string): (event: Partial<TelltaleEvent>) => string | undefined {
  const segments = parsePath(path);
  const [root, key] = segments;
  // Most events have no such key at all; asking for it first costs next to nothing.
  if (root === 'metadata' && segments.length === 2)
    return ({ metadata }) =>
      metadata !== undefined && Object.hasOwn(metadata, key!) ? indexKey(metadata[key!]) : undefined;
  return (event) => indexKey(readPath(event, segments));
}
