import { z } from 'zod';
import { INDEX_PATH, MAX_EVENT_BYTES, isIndexPath, parseWith } from '../../lib/plugin.ts';

export interface MemoryOptions {
  /** Events kept; past it the oldest go, recorded as removed with reason `bound`. @default 100_000 */
  readonly capacity?: number;
  /**
   * Ids of removed events (and revisions of entities whose newest event was removed) that are remembered; past it a
   * retry of a removed event would be stored again. About 250 bytes each. @default 100_000
   */
  readonly keepIds?: number;
  /**
   * `source` and dotted paths into `payload` and `metadata` that queries answer from an index, beside conversation, request and
   * session. Each costs some 100 bytes for each distinct value, and 8 for each further event that has it.
   * @default []
   */
  readonly index?: readonly string[];
  /** Largest event in bytes, payload and metadata as JSON. @default 16 MiB */
  readonly maxEventBytes?: number;
}

const COUNT = 'an integer from 1';
const count = z.int(COUNT).min(1, COUNT);

const schema = z.strictObject({
  capacity: count.default(100_000),
  keepIds: count.default(100_000),
  index: z.array(z.string().refine(isIndexPath, INDEX_PATH)).default([]),
  maxEventBytes: count.default(MAX_EVENT_BYTES),
});

/** Throws `INVALID_OPTION`. */
export function parseOptions(options: MemoryOptions): Required<MemoryOptions> {
  return Object.freeze(parseWith(schema, options, 'memory'));
}
