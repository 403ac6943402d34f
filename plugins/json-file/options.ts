import { z } from 'zod';
import { INDEX_PATH, expected, isIndexPath, parseWith } from '../../lib/plugin.ts';

export interface JsonFileOptions {
  /**
   * `'disk'`: an append is acknowledged when it is synced and survives a power cut. `'os'`: when the kernel has it; it
   * survives a killed process.
   * @default 'disk'
   */
  readonly durability?: 'disk' | 'os';
  /**
   * Makes the folder, and those above it, when it is not there.
   * @default true
   */
  readonly create?: boolean;
  /**
   * Takes no lock, writes nothing and follows the process that writes, whole commits only.
   * @default false
   */
  readonly readOnly?: boolean;
  /**
   * Takes the lock from another host, from a process that still runs, or from whatever lies in its place. Two writers
   * destroy a log: only when the owner is surely gone.
   * @default false
   */
  readonly force?: boolean;
  /**
   * Size in bytes at which a segment is sealed, 64 kB to 1 GiB. Opening scans at most one segment.
   * @default 67108864
   */
  readonly segmentBytes?: number;
  /**
   * Events at which a segment is sealed, 16 to 65536. The index of the newest segment is kept in memory.
   * @default 32768
   */
  readonly segmentEvents?: number;
  /**
   * `source` and dotted paths into `payload` and `metadata` that queries answer from an index, beside conversation, request and
   * session. Each costs 8 bytes an event; a new one is added to old segments when it is first asked for.
   * @default []
   */
  readonly index?: readonly string[];
  /**
   * Packs sealed segments in the background, about 5 to 1; `zcat` reads them. One event is read in half a millisecond
   * instead of a tenth. A log is read with or without it, whatever it was written with.
   * @default false
   */
  readonly compress?: boolean;
  /**
   * How often a reader looks for new commits where the platform does not tell, ms.
   * @default 250
   */
  readonly pollMs?: number;
}

const integer = (least: number, most: number): z.ZodInt => {
  const text = `an integer from ${least} to ${most}`;
  return z.int(text).min(least, text).max(most, text);
};
const POLL = 'a number from 1 to 60000';

const schema = z.strictObject({
  durability: z.enum(['disk', 'os']).default('disk'),
  create: z.boolean().default(true),
  readOnly: z.boolean().default(false),
  force: z.boolean().default(false),
  segmentBytes: integer(64 * 1024, 1024 ** 3).default(64 * 1024 * 1024),
  segmentEvents: integer(16, 65_536).default(32_768),
  index: z.array(z.string().refine(isIndexPath, INDEX_PATH)).default([]),
  compress: z.boolean().default(false),
  pollMs: z.number(POLL).min(1, POLL).max(60_000, POLL).default(250),
});

export type ParsedOptions = Readonly<z.output<typeof schema>>;

/** Throws `INVALID_OPTION`. */
export function parseOptions(folder: string, options: unknown): ParsedOptions {
  if (typeof folder !== 'string' || folder.length === 0 || folder.includes('\0') || folder.startsWith('file:'))
    throw expected('INVALID_OPTION', '`folder`', 'the path of a folder', folder);
  return Object.freeze(parseWith(schema, options, 'jsonFile'));
}
