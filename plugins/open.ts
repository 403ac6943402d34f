import type { RetentionOptions, RetentionRule } from '../lib/index.ts';
import { TelltaleError, expected, isTelltaleError, toError, toMs } from '../lib/plugin.ts';
import type { Duration, Store } from '../lib/plugin.ts';

/** What an environment says of a bus: spread it into the options of createBus. */
export interface EnvironmentOptions {
  readonly store?: Store;
  readonly retention?: RetentionOptions;
  readonly cache?: { readonly ttl: Duration };
}

/** How a store is opened where its url does not say so. */
export interface OpenTerms {
  readonly readOnly?: boolean;
  readonly create?: boolean;
}

type Kind = 'number' | 'boolean' | 'list' | 'text' | 'duration';
type Options = Record<string, unknown>;

interface Scheme {
  /** What a url of this kind looks like. */
  readonly form: string;
  readonly parameters: Readonly<Record<string, Kind>>;
  readonly create: (place: string, options: Options) => Promise<Store>;
}

const SCHEMES: Readonly<Record<string, Scheme>> = {
  memory: {
    form: 'memory:',
    parameters: { capacity: 'number', keepIds: 'number', index: 'list', maxEventBytes: 'number' },
    create: async (_, options) => (await import('./memory/index.ts')).memory(options),
  },
  file: {
    form: 'file:./events',
    parameters: {
      durability: 'text',
      create: 'boolean',
      readOnly: 'boolean',
      force: 'boolean',
      segmentBytes: 'number',
      segmentEvents: 'number',
      index: 'list',
      compress: 'boolean',
      pollMs: 'number',
    },
    create: async (folder, options) => (await import('./json-file/index.ts')).jsonFile(folder, options),
  },
  sqlite: {
    form: 'sqlite:./events.db',
    parameters: {
      driver: 'text',
      durability: 'text',
      create: 'boolean',
      readOnly: 'boolean',
      index: 'list',
      search: 'boolean',
      compressAbove: 'number',
      busyTimeout: 'number',
      pollMs: 'number',
      checkOnRead: 'boolean',
    },
    create: async (path, options) => (await import('./sqlite/index.ts')).sqlite(path, options),
  },
  postgres: {
    form: 'postgres://user:password@host:5432/database',
    parameters: {
      poolSize: 'number',
      schema: 'text',
      tablePrefix: 'text',
      create: 'boolean',
      readOnly: 'boolean',
      index: 'list',
      indexPayload: 'boolean',
      search: 'boolean',
      partitionEvents: 'number',
      timeout: 'duration',
      poll: 'duration',
    },
    create: async (url, options) => (await import('./postgres/index.ts')).postgres({ url, ...options }),
  },
};

/** Parameters of a postgres url that are for the driver. */
const DRIVER_PARAMETERS =
  /^(?:host|port|user|ssl\w*|uselibpqcompat|application_name|fallback_application_name|options|connect_timeout|client_encoding|channel_binding|keepalives\w*|target_session_attrs|lock_timeout)$/;

/**
 * Opens the store that a url names: `memory:`, `file:./events` (a json-file folder), `sqlite:./events.db`,
 * `postgres://user:password@host/database`. The options of the store are parameters, lists joined by commas:
 * `file:./events?durability=os&index=payload.total,source`. Those of a postgres url that are the driver's stay in it, such
 * as `sslmode`, or `host` and `port` of a socket: `postgres:///database?host=/var/run/postgresql`.
 *
 * @throws `INVALID_OPTION` for a url that names no store, and what the store throws; messages name the url without its
 * password
 */
export async function openStore(url: string): Promise<Store> {
  const store = await storeAt(url);
  await naming(url, () => store.open());
  return store;
}

/** The store that a url names, not opened yet. Throws `INVALID_OPTION`. */
export async function storeAt(url: string, terms: OpenTerms = {}): Promise<Store> {
  const { scheme, place, options } = parse(url);
  for (const name of ['readOnly', 'create'] as const)
    if (terms[name] !== undefined && scheme.parameters[name] !== undefined) options[name] ??= terms[name];
  return naming(url, () => scheme.create(place, options));
}

/** Whether a text is the url of a store and not a path. */
export function isStoreUrl(text: string): boolean {
  return /^(?:memory|file|sqlite|postgres|postgresql):/i.test(text);
}

/** The path in a url of this kind; `undefined` for any other. Throws `INVALID_OPTION`. */
export function pathOf(url: string, kind: 'file' | 'sqlite'): string | undefined {
  const { name, place } = parse(url);
  return name === kind ? place : undefined;
}

/** The url with another path. */
export function withPath(url: string, path: string): string {
  const query = url.indexOf('?');
  return `${parse(url).name}:${encodeURI(path).replace(/[?#]/g, encodeURIComponent)}${query < 0 ? '' : url.slice(query)}`;
}

/** What a url is made of: the place, of postgres a url for its driver, and the options of the store. */
export function partsOf(url: string): { readonly place: string; readonly options: Readonly<Record<string, unknown>> } {
  const { place, options } = parse(url);
  return { place, options };
}

/** A url without its password. */
export function withoutPassword(url: string): string {
  // Up to the last @: a password that was not encoded may have any character in it.
  return url
    .replace(
      /^([a-z][a-z\d+.-]*:\/\/)(.*:.*|[^?#]*)@/is,
      (_, start: string, user: string) => `${start}${hidden(user)}@`,
    )
    .replace(/([?&](?:\w*password|sslkey)=)[^&#]*/gi, '$1***');
}

/**
 * What the environment says of a bus: `TELLTALE_STORE` (a url), `_SCHEMA` (of PostgreSQL), `_DURABILITY` (`disk`, `os`
 * or `memory`), `_RETENTION` (`30d`, or the option as JSON), `_CACHE_TTL` (`30s`). What the url says itself goes before
 * `_SCHEMA` and `_DURABILITY`. The store is not opened yet.
 *
 * ```js
 * const bus = await createBus({ source: 'planner', ...(await optionsFromEnv()) })
 * ```
 *
 * @throws `INVALID_OPTION` for a variable of this prefix that is unknown, or whose value is wrong; it names the variable
 */
export async function optionsFromEnv(
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<EnvironmentOptions> {
  if (typeof env !== 'object' || env === null || env instanceof Map)
    throw expected('INVALID_OPTION', 'the argument of optionsFromEnv', 'an object such as process.env', env);
  const given = Object.entries(env).filter(([name, value]) => name.startsWith(PREFIX) && value !== undefined);
  for (const [name] of given)
    if (!VARIABLES.includes(name.slice(PREFIX.length)))
      throw new TelltaleError(
        'INVALID_OPTION',
        `${name} is not a variable of telltale (known: ${VARIABLES.map((known) => PREFIX + known).join(', ')})`,
        { details: { option: name } },
      );
  const { TELLTALE_STORE: url, TELLTALE_RETENTION: retention, TELLTALE_CACHE_TTL: ttl } = env;
  if (url === undefined && given.length > 0)
    throw expected('INVALID_OPTION', `${PREFIX}STORE`, `set where ${given[0]![0]} is`, undefined);
  if (url === undefined) return {};
  let store = await inVariable('STORE', () => storeAt(url));
  const extended = withVariables(url, env);
  // Only a schema can be wrong here: the url alone was right.
  if (extended !== url) store = await inVariable('SCHEMA', () => storeAt(extended));
  return {
    store,
    ...(retention !== undefined && { retention: await inVariable('RETENTION', () => retentionOf(retention)) }),
    ...(ttl !== undefined && { cache: { ttl: durationOf(ttl, `${PREFIX}CACHE_TTL`) } }),
  };
}

const PREFIX = 'TELLTALE_';
const VARIABLES = ['STORE', 'SCHEMA', 'DURABILITY', 'RETENTION', 'CACHE_TTL'];
/** What a store is that cannot be told otherwise. */
const DURABILITIES: Readonly<Record<string, string>> = { memory: 'memory', postgres: 'disk' };

/** The url with what other variables say of the store. */
function withVariables(url: string, env: Readonly<Record<string, string | undefined>>): string {
  const { TELLTALE_SCHEMA: schema, TELLTALE_DURABILITY: durability } = env;
  const { scheme, name, options } = parse(url);
  const added: string[] = [];
  if (schema !== undefined) {
    if (scheme.parameters['schema'] === undefined)
      throw expected('INVALID_OPTION', `${PREFIX}SCHEMA`, 'set for a postgres store only', schema);
    if (options['schema'] === undefined) added.push(`schema=${encodeURIComponent(schema)}`);
  }
  if (durability !== undefined) {
    const only = DURABILITIES[name];
    const wanted = only === undefined ? ['disk', 'os'] : [only];
    if (!wanted.includes(durability))
      throw expected('INVALID_OPTION', `${PREFIX}DURABILITY`, `${wanted.join(' or ')} for a ${name} store`, durability);
    if (only === undefined && options['durability'] === undefined) added.push(`durability=${durability}`);
  }
  if (added.length === 0) return url;
  return `${url}${url.includes('?') ? '&' : '?'}${added.join('&')}`;
}

async function retentionOf(text: string): Promise<RetentionOptions> {
  const retention = /^\s*[[{]/.test(text) ? retentionIn(text) : { every: '1m' as const, rules: [keepingFor(text)] };
  // What retention may be is known to a bus.
  const { createBus } = await import('../lib/index.ts');
  const { memory } = await import('./memory/index.ts');
  await (await createBus({ source: 'telltale', store: memory(), retention })).close();
  return retention;
}

function retentionIn(json: string): RetentionOptions {
  const value = parsed(json) as RetentionOptions | NonNullable<RetentionOptions['rules']>;
  return Array.isArray(value) ? { every: '1m', rules: value } : (value as RetentionOptions);
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (cause) {
    const wanted = `a duration such as 30d, or JSON such as [{"keepFor":"30d"}] (${toError(cause).message})`;
    throw expected('INVALID_OPTION', `${PREFIX}RETENTION`, wanted, json, { cause });
  }
}

/** With its unit: whoever writes 30 means days, and would keep 30 ms. */
function keepingFor(text: string): RetentionRule {
  const isDuration = /[a-z]\s*$/i.test(text);
  return { match: '**', keepFor: durationOf(isDuration ? text : '', `${PREFIX}RETENTION`, '30d', text) };
}

function durationOf(text: string, variable: string, such = '30s', given = text): Duration {
  const duration = /^\d+$/.test(text) ? Number(text) : text;
  try {
    if (toMs(duration as Duration, variable) > 0) return duration as Duration;
  } catch {
    // Told below.
  }
  throw expected('INVALID_OPTION', variable, `a duration above 0 such as ${such}`, given);
}

/** Names the variable in what is thrown. */
async function inVariable<T>(name: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const { message } = toError(error);
    if (message.includes(PREFIX + name)) throw error;
    const isWrong = !isTelltaleError(error) || error.code.startsWith('INVALID_');
    throw new TelltaleError(isWrong ? 'INVALID_OPTION' : error.code, `${PREFIX}${name}: ${message}`, { cause: error });
  }
}

interface Parsed {
  readonly name: string;
  readonly scheme: Scheme;
  /** A path; of postgres the url with the driver's own parameters. */
  readonly place: string;
  readonly options: Options;
}

function parse(url: string): Parsed {
  const found = typeof url === 'string' ? /^([a-z]+):([^?#]*)(?:\?([^#]*))?$/i.exec(url) : null;
  const name = found?.[1]!.toLowerCase().replace(/^postgresql$/, 'postgres') ?? '';
  const scheme = Object.hasOwn(SCHEMES, name) ? SCHEMES[name] : undefined;
  if (found === null || scheme === undefined) {
    const forms = Object.values(SCHEMES).map(({ form }) => form);
    const hash = typeof url === 'string' && url.includes('#') ? ', with # written as %23' : '';
    throw expected('INVALID_OPTION', 'the url of a store', `one such as ${forms.join(', ')}${hash}`, hiddenIn(url));
  }
  const [, , body = '', query = ''] = found;
  const left = new URLSearchParams();
  const options: Options = {};
  for (const [key, value] of new URLSearchParams(query)) {
    const kind = Object.hasOwn(scheme.parameters, key) ? scheme.parameters[key] : undefined;
    if (Object.hasOwn(options, key))
      throw expected('INVALID_OPTION', `\`${key}\` of ${withoutPassword(url)}`, 'given once', value);
    if (kind !== undefined) options[key] = valueOf(kind, value, `\`${key}\` of ${withoutPassword(url)}`);
    else if (name === 'postgres' && DRIVER_PARAMETERS.test(key)) left.append(key, value);
    else throw unknown(key, scheme, url);
  }
  return { name, scheme, place: placeOf(name, body, left, url), options };
}

function unknown(key: string, { form, parameters }: Scheme, url: string): TelltaleError {
  const shown = withoutPassword(url);
  // The parameters went with the password: what is called one may be of it.
  const encoded = 'one with ?, # and @ in its password written as %3F, %23 and %40';
  if (!shown.includes('?')) return expected('INVALID_OPTION', 'the url of a store', encoded, shown);
  const text = `\`${key}\` is not a parameter of ${form} (known: ${Object.keys(parameters).join(', ')})`;
  return new TelltaleError('INVALID_OPTION', text, { details: { option: key } });
}

function placeOf(name: string, body: string, left: URLSearchParams, url: string): string {
  const refuse = (expectation: string): TelltaleError =>
    expected('INVALID_OPTION', 'the url of a store', expectation, hiddenIn(url));
  if (name === 'memory') {
    if (body === '' || body === '//') return '';
    throw refuse('memory: and nothing behind it but parameters');
  }
  if (name === 'postgres') {
    if (!/^\/\/[^/]/.test(body) && !body.startsWith('///')) throw refuse(SCHEMES['postgres']!.form);
    return `postgres:${body}${left.size > 0 ? `?${left.toString()}` : ''}`;
  }
  const host = /^\/\/([^/]*)(.*)$/.exec(body);
  if (host !== null && !['', 'localhost'].includes(host[1]!))
    throw refuse(`a path on this machine, such as ${SCHEMES[name]!.form}`);
  const path = host === null ? body : host[2]!;
  if (path === '' || path === '/') throw refuse(`${SCHEMES[name]!.form}, with a path`);
  // A shell does not replace it within a word, and a folder of that name is what nobody wants.
  if (/^~(?:\/|$)/.test(path)) throw refuse('a path with the home folder spelt out instead of ~');
  try {
    return decodeURIComponent(path);
  } catch {
    throw refuse('a path in which % stands before two hexadecimal digits');
  }
}

function valueOf(kind: Kind, text: string, thing: string): unknown {
  if (kind === 'list') return text === '' ? [] : text.split(',');
  if (kind === 'text') return text;
  if (kind === 'duration') return /^\d+$/.test(text) ? Number(text) : text;
  if (kind === 'number') {
    const value = text.trim() === '' ? NaN : Number(text);
    if (!Number.isNaN(value)) return value;
    throw expected('INVALID_OPTION', thing, 'a number', text);
  }
  if (['true', '1', ''].includes(text)) return true;
  if (['false', '0'].includes(text)) return false;
  throw expected('INVALID_OPTION', thing, 'true or false', text);
}

/** Names the url in what is thrown, and its password nowhere. */
async function naming<T>(url: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const { message } = toError(error);
    const code = isTelltaleError(error) ? error.code : 'STORE_UNAVAILABLE';
    const details = isTelltaleError(error) ? error.details : {};
    // What says the whole url is not handed on.
    const cause = message.includes(url) ? undefined : error;
    const told = message.replaceAll(url, withoutPassword(url));
    throw new TelltaleError(code, `${withoutPassword(url)}: ${told}`, { cause, details });
  }
}

function hidden(user: string): string {
  return user.includes(':') ? `${user.slice(0, user.indexOf(':'))}:***` : user;
}

function hiddenIn(url: unknown): unknown {
  return typeof url === 'string' ? withoutPassword(url) : url;
}
