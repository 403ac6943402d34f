import { z } from 'zod';
import { INDEX_PATH, expected, isIndexPath, parseWith } from '../../lib/plugin.ts';
import type { SyncAnswer } from '../../lib/plugin.ts';
import type { DriverName } from './driver.ts';
import type { SqliteTransaction } from './transactions.ts';

export interface SqliteOptions {
  /**
   * The library that reads and writes the file. Without it the first that is installed: better-sqlite3, libsql,
   * node:sqlite. Processes may use different ones for one file, one process may not, also
   * not one after libsql.
   */
  readonly driver?: DriverName;
  /**
   * `'disk'`: an append is acknowledged when it is synced (`synchronous=FULL`) and survives a power cut. `'os'`: when
   * the kernel has it (`synchronous=NORMAL`); it survives a killed process.
   * @default 'disk'
   */
  readonly durability?: 'disk' | 'os';
  /**
   * Makes the file, and the folders above it, when it is not there.
   * @default true
   */
  readonly create?: boolean;
  /**
   * Writes nothing and follows the processes that write.
   * @default false
   */
  readonly readOnly?: boolean;
  /**
   * `source` and dotted paths into `payload` and `metadata` that queries answer from an index, beside conversation,
   * request and session. Each costs one small row for every event that has it. One that is new is added to older events
   * in the background; the file keeps it, whoever opens it next.
   * @default []
   */
  readonly index?: readonly string[];
  /**
   * An index over the texts and numbers of payloads, types and entities, so that a search for words of three letters or
   * more reads only events that may have them. It is written in the background for every 512 events, behind the newest
   * and also for those that are there already, and never holds up an append; each event takes 60 to 170 µs of
   * processor time for it and 90 to 320 bytes more. The file keeps it; it grows while the file is open with this option.
   * @default false
   */
  readonly search?: boolean;
  /**
   * Payloads of more bytes than this are compressed. `Infinity`: none is.
   * @default 65536
   */
  readonly compressAbove?: number;
  /**
   * How long a write waits for another process that has the file's lock, ms. The event loop goes on meanwhile.
   * @default 5000
   */
  readonly busyTimeout?: number;
  /**
   * How often the file is asked for other processes' commits, ms; asking takes 2 µs.
   * @default 50
   */
  readonly pollMs?: number;
  /**
   * Compares each row's checksum whenever it is read, at about 1 µs an event; a wrong one is `STORE_CORRUPT`.
   * @default false
   */
  readonly checkOnRead?: boolean;
}

const POLL = 'a number from 1 to 60000';
const WAIT = 'a number of ms from 0';
const BYTES = 'a number of bytes from 1024, or Infinity';

const schema = z.strictObject({
  driver: z.enum(['libsql', 'better-sqlite3', 'node:sqlite']).optional(),
  durability: z.enum(['disk', 'os']).default('disk'),
  create: z.boolean().default(true),
  readOnly: z.boolean().default(false),
  search: z.boolean().default(false),
  index: z.array(z.string().refine(isIndexPath, INDEX_PATH)).default([]),
  compressAbove: z.union([z.number(BYTES).min(1_024, BYTES), z.literal(Infinity)], BYTES).default(65_536),
  busyTimeout: z.number(WAIT).min(0, WAIT).default(5_000),
  pollMs: z.number(POLL).min(1, POLL).max(60_000, POLL).default(50),
  checkOnRead: z.boolean().default(false),
});

export type ParsedOptions = Readonly<z.output<typeof schema>>;

export interface SqliteTargetOptions extends Pick<SqliteOptions, 'driver' | 'durability' | 'busyTimeout'> {
  /** Runs in a transaction when the file is opened, every time: makes the tables that are not there. */
  readonly setup?: (tx: SqliteTransaction) => SyncAnswer;
}

export interface VerifyOptions {
  readonly driver?: DriverName;
  /** Told how far the events have been looked through, and the head of the log. */
  readonly progress?: (position: number, head: number) => void;
}

export interface ParsedTarget extends Pick<ParsedOptions, 'driver' | 'durability' | 'busyTimeout'> {
  readonly setup?: ((tx: SqliteTransaction) => unknown) | undefined;
}

const { driver, durability, busyTimeout } = schema.shape;
const targetSchema = z.strictObject({
  driver,
  durability,
  busyTimeout,
  setup: z.custom<ParsedTarget['setup']>((value) => typeof value === 'function', 'a function').optional(),
});

/** Throws `INVALID_OPTION`. */
export function parseOptions(path: string, options: unknown): ParsedOptions {
  checkFile(path);
  return Object.freeze(parseWith(schema, options, 'sqlite'));
}

const verifySchema = z.strictObject({
  driver,
  progress: z.custom<VerifyOptions['progress']>((value) => typeof value === 'function', 'a function').optional(),
});

/** Throws `INVALID_OPTION`. */
export function parseVerify(options: unknown): VerifyOptions {
  return parseWith(verifySchema, options, 'verify') as VerifyOptions;
}

/** Throws `INVALID_OPTION`. */
export function parseTarget(path: string, options: unknown): ParsedTarget {
  checkFile(path);
  return Object.freeze(parseWith(targetSchema, options, 'sqliteTarget'));
}

function checkFile(path: unknown): void {
  if (typeof path !== 'string' || path.length === 0 || path.includes('\0') || /^(?::memory:$|file:|sqlite:)/.test(path))
    throw expected('INVALID_OPTION', '`path`', 'the path of a file', path);
}
