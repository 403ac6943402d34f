import { z } from 'zod';
import { parseWith } from '../../lib/plugin.ts';

export interface MemoryOptions {
  /** Events kept; past it the oldest go, recorded as removed with reason `bound`. @default 100_000 */
  readonly capacity?: number;
  /**
   * Ids of removed events (and revisions of entities whose newest event was removed) that are remembered; past it a
   * retry of a removed event would be stored again. About 250 bytes each. @default 100_000
   */
  readonly keepIds?: number;
  /** Largest event in bytes, payload and metadata as JSON. @default 16 MiB */
  readonly maxEventBytes?: number;
}

const COUNT = 'an integer from 1';
const count = z.int(COUNT).min(1, COUNT);

const schema = z.strictObject({
  capacity: count.default(100_000),
  keepIds: count.default(100_000),
  maxEventBytes: count.default(16 * 1024 * 1024),
});

/** Throws `INVALID_OPTION`. */
export function parseOptions(options: MemoryOptions): Required<MemoryOptions> {
  return parseWith(schema, options, 'memory');
}
