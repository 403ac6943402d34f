import { z } from 'zod';
import { expected, isIndexPath, parseWith, toMs } from '../../lib/plugin.ts';
import type { Duration } from '../../lib/plugin.ts';
import type { PgPool } from './driver.ts';
import type { Place } from './place.ts';
import type { PostgresTransaction } from './transactions.ts';

export interface PostgresOptions {
  /**
   * `postgres://user:password@host:5432/database`. Without `url`, `connection` and `pool`: what `DATABASE_URL` says.
   */
  readonly url?: string;
  /** Instead of a url: the connection as `pg` takes it, `{ host, port, user, password, database, ssl … }`. */
  readonly connection?: Readonly<Record<string, unknown>>;
  /**
   * A pool of `pg` that is there already, for several buses or for the program's own use as well. It is never ended
   * here. Listening for other processes' events takes one connection beside it.
   */
  readonly pool?: PgPool;
  /** Connections of a pool of its own, 2 to 1000. @default 10 */
  readonly poolSize?: number;
  /** The schema that holds the tables; made when it is not there. @default 'telltale' */
  readonly schema?: string;
  /** What the names of the tables begin with, so that several logs have room in one schema. @default '' */
  readonly tablePrefix?: string;
  /** Makes the schema and the tables when they are not there; otherwise opening fails with `STORE_PATH`. @default true */
  readonly create?: boolean;
  /**
   * Writes and makes nothing, and follows the processes that write. Rights to read are enough.
   * @default false
   */
  readonly readOnly?: boolean;
  /**
   * Dotted paths into `payload` and `metadata` that queries answer from an index, beside conversation, request and
   * session. Each costs 16 bytes and some 5 microseconds for each event that has the path; a new one on a log that is
   * there already is built in the background, and queries do without until it is there.
   * @default []
   */
  readonly index?: readonly string[];
  /**
   * One GIN index over all of every payload, so that a search for any value at any path need not read the log. It
   * costs a third to a half of the appends' speed. `true` builds it, as a path of `index`, `false` drops it; without
   * either it stays as it is, and is not used.
   */
  readonly indexPayload?: boolean;
  /**
   * An index over the texts and numbers of payloads, types and entities, so that a search for words of three letters or
   * more reads only events that may have them. It is written in the background for every 512 events, behind the newest
   * and also for those that are there already, and never holds up an append; each event takes some 200 µs, 70 to
   * 130 of them here and the rest on the server, and 40 to 900 bytes. Rewriting and removing events writes their blocks
   * anew. The log keeps it; it grows while the log is open with this option.
   * @default false
   */
  readonly search?: boolean;
  /**
   * Positions in one partition of the log, 8 to 100,000,000. Retention drops a partition as a whole; every
   * query that does not say where to look has to look into each.
   * @default 1_000_000
   */
  readonly partitionEvents?: number;
  /** Every call has ended after this time: an append that has not is unknown, and may be tried again. @default '10s' */
  readonly timeout?: Duration;
  /** How often the log is looked at for what others wrote where no notification came. @default '1s' */
  readonly poll?: Duration;
}

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const POOL = 'a Pool of pg';
const PORT = 'an integer from 1 to 65535';

const integer = (least: number, most: number): z.ZodInt => {
  const text = `an integer from ${least} to ${most}`;
  return z.int(text).min(least, text).max(most, text);
};

const name = (longest: number, isEmptyAllowed = false): z.ZodType<string> => {
  const text = `at most ${longest} letters, digits and _, not beginning with a digit`;
  return z
    .string(text)
    .refine((value) => value.length <= longest && (NAME.test(value) || (isEmptyAllowed && value === '')), text);
};

const duration = (option: string, least: number, most: number): z.ZodType<number, Duration> =>
  z.custom<Duration>().transform((value) => {
    const ms = toMs(value, option);
    if (ms >= least && ms <= most) return ms;
    throw expected('INVALID_OPTION', `\`${option}\` of postgres`, `a duration from ${least} to ${most} ms`, value);
  });

/** What `pg` would trip over, or take for something else; the rest is its own matter. */
const connectionSchema = z.looseObject({
  connectionString: z.string().optional(),
  host: z.string().optional(),
  port: z.union([integer(1, 65_535), z.string().regex(/^\d+$/, PORT)], PORT).optional(),
  user: z.string().optional(),
  password: z
    .union([z.string(), z.custom((value) => typeof value === 'function')], 'a string or a function')
    .optional(),
  database: z.string().optional(),
});

const schema = z.strictObject({
  url: z.string().optional(),
  connection: connectionSchema.optional(),
  pool: z.custom<PgPool>((value) => isPool(value), POOL).optional(),
  poolSize: integer(2, 1_000).default(10),
  schema: name(63).default('telltale'),
  tablePrefix: name(24, true).default(''),
  create: z.boolean().default(true),
  readOnly: z.boolean().default(false),
  index: z
    .array(
      z.string().refine((path) => path !== 'source' && isIndexPath(path), 'a dotted path into payload or metadata'),
    )
    .max(20)
    .default([]),
  indexPayload: z.boolean().optional(),
  search: z.boolean().default(false),
  partitionEvents: integer(8, 100_000_000).default(1_000_000),
  timeout: duration('timeout', 100, 3_600_000).default(10_000),
  poll: duration('poll', 10, 3_600_000).default(1_000),
});

export interface ParsedOptions {
  readonly place: Place;
  readonly poolSize: number;
  readonly schema: string;
  readonly tablePrefix: string;
  readonly create: boolean;
  readonly readOnly: boolean;
  readonly index: readonly string[];
  readonly indexPayload: boolean | undefined;
  readonly search: boolean;
  readonly partitionEvents: number;
  readonly timeoutMs: number;
  readonly pollMs: number;
}

/** Throws `INVALID_OPTION`. */
export function parseOptions(given: string | PostgresOptions = {}, databaseUrl: string | undefined): ParsedOptions {
  const options = parseWith(schema, typeof given === 'string' ? { url: given } : given, 'postgres');
  const { url, connection, pool, timeout: timeoutMs, poll: pollMs, ...rest } = options;
  const place = placeOf({ url, connection, pool }, databaseUrl);
  return Object.freeze({ ...rest, indexPayload: options.indexPayload, place, timeoutMs, pollMs });
}

export interface PostgresTargetOptions extends Pick<
  PostgresOptions,
  'url' | 'connection' | 'pool' | 'poolSize' | 'schema' | 'timeout'
> {
  /** How long a transaction is tried again, the handler too, where the server is away. @default '30s' */
  readonly retryFor?: Duration;
  /** Runs in a transaction once the first consumer begins: makes the tables that are not there. */
  readonly setup?: (tx: PostgresTransaction) => unknown;
}

export interface ParsedTarget {
  readonly place: Place;
  readonly poolSize: number;
  readonly schema: string;
  readonly timeoutMs: number;
  readonly retryForMs: number;
  readonly setup: PostgresTargetOptions['setup'];
}

const targetSchema = schema
  .pick({ url: true, connection: true, pool: true, poolSize: true, schema: true, timeout: true })
  .extend({
    retryFor: duration('retryFor', 0, 86_400_000).default(30_000),
    setup: z.custom<PostgresTargetOptions['setup']>((value) => typeof value === 'function', 'a function').optional(),
  });

/** A url, a pool, or options. Throws `INVALID_OPTION`. */
export function parseTarget(
  given: string | PgPool | PostgresTargetOptions = {},
  databaseUrl: string | undefined,
): ParsedTarget {
  const asked = typeof given === 'string' ? { url: given } : isPool(given) ? { pool: given } : given;
  const options = parseWith(targetSchema, asked, 'postgresTarget');
  const { poolSize, schema: schemaName, timeout: timeoutMs, retryFor: retryForMs, setup } = options;
  const place = placeOf(options, databaseUrl);
  return Object.freeze({ place, poolSize, schema: schemaName, timeoutMs, retryForMs, setup });
}

/** Options behind a url, where other stores take them, would be passed over in silence. Throws `INVALID_OPTION`. */
export function mustBeAll(of: 'postgres' | 'postgresTarget', more: unknown): void {
  if (more === undefined) return;
  const one = `one: options go beside the url, ${of}({ url, … })`;
  throw expected('INVALID_OPTION', `the arguments of ${of}`, one, more);
}

function placeOf(
  { url, connection, pool }: Pick<z.output<typeof schema>, 'url' | 'connection' | 'pool'>,
  databaseUrl: string | undefined,
): Place {
  const given = [url, connection, pool].filter((one) => one !== undefined);
  if (given.length > 1)
    throw expected('INVALID_OPTION', 'the options of postgres', 'one of `url`, `connection` and `pool`', given.length);
  if (pool !== undefined) return { pool };
  if (connection !== undefined) return { connection };
  return { url: checkUrl(url ?? databaseUrl) };
}

function checkUrl(url: string | undefined): string {
  // The driver takes an empty host, for a socket that a parameter names.
  const parsed = url?.replace('@/', '@socket/') ?? '';
  const protocol = URL.canParse(parsed) ? new URL(parsed).protocol : '';
  const isPostgres = url !== undefined && /^postgres(?:ql)?:\/\//i.test(url);
  if (isPostgres && protocol !== '') return url;
  // The text of a url may hold a password.
  if (isPostgres)
    throw expected(
      'INVALID_OPTION',
      '`url` of postgres',
      'one host, a port up to 65535, and #, ? and / in its password written as %23, %3F and %2F',
      'a url that cannot be parsed',
    );
  throw expected(
    'INVALID_OPTION',
    '`url` of postgres',
    'postgres://user:password@host:5432/database, or DATABASE_URL to be set',
    url === undefined ? undefined : protocol || 'no url',
  );
}

function isPool(value: unknown): boolean {
  const pool = value as Partial<PgPool> | null;
  return typeof pool?.connect === 'function' && typeof pool.on === 'function';
}
