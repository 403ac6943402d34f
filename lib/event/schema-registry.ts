import { TelltaleError, messageOf } from '../errors.ts';
import { checkRegistration, checkVersion } from './check-registration.ts';
import { entryOf, type EventDeclarations, type EventEntry, type PayloadMode, type Upcast } from './define-events.ts';
import type { TelltaleEvent } from './event.ts';
import type { StandardFailure, StandardResult, StandardSchema } from './schema.ts';

export interface SchemaRegistryOptions {
  /** `check` stores the payload as it was passed, `transform` what the schema made of it. @default 'check' */
  readonly validate?: 'check' | 'transform';
  /** What happens to types, and versions of them, that are not declared. @default 'accept' */
  readonly unknownTypes?: 'accept' | 'refuse';
}

export interface RegisterOptions {
  /** Brings a payload of the version before to this one. */
  readonly upcast?: Upcast;
  readonly transient?: boolean;
  readonly payload?: PayloadMode;
}

/** What is known of a type. */
export interface DeclaredType {
  readonly type: string;
  readonly version: number;
  readonly transient: boolean;
  /** Versions that have a schema. */
  readonly schemas: readonly number[];
  /** Versions from which an upcaster leads to the next. */
  readonly upcasts: readonly number[];
}

/** One version of a type that has a schema. */
export interface RegisteredSchema {
  readonly type: string;
  readonly version: number;
  readonly schema: StandardSchema;
}

interface Known {
  current: number;
  transient: boolean;
  payload: PayloadMode | undefined;
  readonly versions: Map<number, StandardSchema | undefined>;
  readonly upcasts: Map<number, Upcast>;
}

const OF_TRANSFORMED =
  " (validate is 'transform': stored is what the schema made, which a schema need not take itself)";

/**
 * Schemas by type and version. They accept or refuse on the way in; upcasters run on the way out. Declaring the same
 * again is nothing, declaring something else for the same type and version is `SCHEMA_CONFLICT`.
 */
export class SchemaRegistry {
  readonly #types = new Map<string, Known>();
  readonly #transforms: boolean;
  readonly #refusesUnknown: boolean;

  constructor(options: SchemaRegistryOptions = {}) {
    this.#transforms = options.validate === 'transform';
    this.#refusesUnknown = options.unknownTypes === 'refuse';
  }

  /** Registers what `defineEvents` answers. Throws `SCHEMA_CONFLICT`. */
  declare(declarations: EventDeclarations): void {
    for (const [type, declared] of Object.entries(declarations)) this.#declare(type, entryOf(declared));
  }

  /**
   * Adds one version of a type; the highest one is current. What is refused changes nothing. Throws `INVALID_TYPE`,
   * `RESERVED_TYPE`, `INVALID_OPTION`, `SCHEMA_CONFLICT`.
   */
  register(type: string, version: number, schema?: StandardSchema, options: RegisterOptions = {}): void {
    checkRegistration(type, version, schema, options);
    const { upcast, transient, payload } = options;
    const known = this.#types.get(type) ?? unknownYet();
    if (transient !== undefined) mustStayAs(type, known, transient);
    if (known.versions.has(version) && known.versions.get(version) !== schema)
      throw new TelltaleError('SCHEMA_CONFLICT', `type \`${type}\` version ${version} already has another schema`);
    if (upcast) link(type, known, version - 1, upcast);
    known.versions.set(version, schema);
    known.transient = transient ?? known.transient;
    known.payload = payload ?? known.payload;
    known.current = Math.max(known.current, version);
    this.#types.set(type, known);
  }

  /** The schemas there are, of all types or of one version of one. */
  registered(type?: string, version?: number): RegisteredSchema[] {
    const found: RegisteredSchema[] = [];
    for (const [name, { versions }] of type === undefined ? this.#types : this.#only(type))
      for (const [each, schema] of versions)
        if (schema !== undefined && (version === undefined || each === version))
          found.push({ type: name, version: each, schema });
    return found;
  }

  /** The current version of a type, 1 if it is not declared. */
  version(type: string): number {
    return this.#types.get(type)?.current ?? 1;
  }

  declares(type: string): boolean {
    return this.#types.has(type);
  }

  isTransient(type: string): boolean {
    return this.#types.get(type)?.transient ?? false;
  }

  /** How payloads of the type are taken; undefined: as the bus does it. */
  payloadMode(type: string): PayloadMode | undefined {
    return this.#types.get(type)?.payload;
  }

  /** What is declared, in order of declaration. */
  list(): DeclaredType[] {
    return Array.from(this.#types, ([type, { current, transient, versions, upcasts }]) => {
      const schemas = [...versions].filter(([, schema]) => schema !== undefined).map(([version]) => version);
      return { type, version: current, transient, schemas, upcasts: [...upcasts.keys()] };
    });
  }

  /**
   * The payload to store. Throws `SCHEMA_REFUSED`, `SCHEMA_ASYNC` (a schema answered with a Promise), `UNKNOWN_TYPE`
   * (where unknown types are refused), `INVALID_OPTION` (the version).
   */
  check(type: string, version: number, payload: unknown): unknown {
    checkVersion(version);
    const versions = this.#types.get(type)?.versions;
    if (this.#refusesUnknown && !versions?.has(version)) throw unknownType(type, version, versions);
    const schema = versions?.get(version);
    if (schema === undefined) return payload;
    const result = validate(type, schema, payload);
    if (result.issues) throw refused(type, version, result);
    return this.#transforms ? result.value : payload;
  }

  /**
   * The event in the current version of its type; the event itself where it is. Upcasters may change the payload they
   * are given: it is a copy. Throws `UPCAST_FAILED`.
   */
  upcast<Event extends TelltaleEvent>(event: Event): Event {
    const known = this.#types.get(event.type);
    if (known === undefined || event.schemaVersion >= known.current) return event;
    // Frozen or not, shared or not, as the store gives it: they would work with one store and fail with another.
    let raised = { ...event, payload: copyOf(event.payload) };
    for (let version = event.schemaVersion; version < known.current; version++) {
      const step = known.upcasts.get(version);
      if (step === undefined) throw gap(event, version, known.current);
      raised = { ...raised, payload: runUpcast(step, raised, version), schemaVersion: version + 1 };
    }
    return raised;
  }

  /**
   * What is wrong with a stored event that cannot be brought up to date any more: `UNKNOWN_TYPE` for a version this
   * program does not know, `SCHEMA_REFUSED` or `SCHEMA_ASYNC` for a payload its schema does not take now.
   */
  problemOf({ type, schemaVersion, payload }: TelltaleEvent): TelltaleError | undefined {
    const known = this.#types.get(type);
    if (schemaVersion > (known?.current ?? 1)) return newer(type, schemaVersion, known?.current);
    const schema = known?.versions.get(schemaVersion);
    if (schema === undefined) return undefined;
    try {
      const result = validate(type, schema, payload);
      // What a schema has made of a payload need not be what it takes, and nobody can tell by looking at it.
      return result.issues ? refused(type, schemaVersion, result, this.#transforms ? OF_TRANSFORMED : '') : undefined;
    } catch (error) {
      return error as TelltaleError;
    }
  }

  #only(type: string): readonly (readonly [string, Known])[] {
    const known = this.#types.get(type);
    return known ? [[type, known]] : [];
  }

  #declare(type: string, entry: EventEntry): void {
    const { version = 1, schema, transient = false, payload, upcast = {} } = entry;
    this.register(type, version, schema, { transient, ...(payload !== undefined && { payload }) });
    const known = this.#types.get(type)!;
    for (const [from, upcaster] of Object.entries(upcast)) link(type, known, Number(from), upcaster);
  }
}

function unknownYet(): Known {
  return { current: 1, transient: false, payload: undefined, versions: new Map(), upcasts: new Map() };
}

function link(type: string, { upcasts }: Known, from: number, upcast: Upcast): void {
  const other = upcasts.get(from);
  if (other !== undefined && other !== upcast)
    throw new TelltaleError('SCHEMA_CONFLICT', `type \`${type}\` already has another upcaster from version ${from}`);
  upcasts.set(from, upcast);
}

function mustStayAs(type: string, { versions, transient }: Known, wanted: boolean): void {
  if (versions.size === 0 || transient === wanted) return;
  const kind = transient ? 'transient' : 'stored';
  throw new TelltaleError('SCHEMA_CONFLICT', `type \`${type}\` is already declared ${kind}`);
}

function validate(type: string, schema: StandardSchema, payload: unknown): StandardResult<unknown> {
  let result: StandardResult<unknown> | Promise<StandardResult<unknown>>;
  try {
    result = schema['~standard'].validate(payload);
  } catch (cause) {
    throw new TelltaleError('SCHEMA_REFUSED', `the schema of \`${type}\` threw: ${messageOf(cause)}`, { cause });
  }
  if (!isPromise(result)) return result;
  // Nobody waits for it: without this its rejection would end the process.
  result.then(undefined, () => undefined);
  const text = `the schema of \`${type}\` answered with a Promise; refinements and transforms of events must be synchronous`;
  throw new TelltaleError('SCHEMA_ASYNC', text);
}

function refused(type: string, version: number, { issues }: StandardFailure, note = ''): TelltaleError {
  const told = issues.map(({ message, path }) => ({ path: pathText(path ?? []), message }));
  const first = told.slice(0, 3).map(({ path, message }) => `${path}: ${message}`);
  const more = told.length > first.length ? `; and ${told.length - first.length} more` : '';
  const message = `\`${type}\` version ${version} is refused by its schema: ${first.join('; ')}${more}${note}`;
  return new TelltaleError('SCHEMA_REFUSED', message, { details: { type, version, issues: told } });
}

function pathText(path: readonly (PropertyKey | { readonly key: PropertyKey })[]): string {
  const keys = path.map((segment) => (typeof segment === 'object' ? segment.key : segment));
  return keys.reduce<string>(
    (text, key) => (typeof key === 'number' ? `${text}[${key}]` : `${text}.${String(key)}`),
    'payload',
  );
}

function unknownType(type: string, version: number, versions: ReadonlyMap<number, unknown> | undefined): TelltaleError {
  const known = versions === undefined ? '' : `, it is declared in version ${[...versions.keys()].join(', ')}`;
  const message = `type \`${type}\` version ${version} is not declared and unknownTypes is 'refuse'${known}`;
  return new TelltaleError('UNKNOWN_TYPE', message, { details: { type, version } });
}

function newer(type: string, version: number, current: number | undefined): TelltaleError {
  const known = current === undefined ? 'does not declare it' : `knows it up to version ${current}`;
  const message = `type \`${type}\` has events of version ${version}, and this program ${known}`;
  return new TelltaleError('UNKNOWN_TYPE', message, { details: { type, version, current: current ?? 1 } });
}

function gap(event: TelltaleEvent, version: number, current: number): TelltaleError {
  const step = `from version ${version} to ${version + 1}`;
  const message = `event ${event.id} of type \`${event.type}\` has version ${event.schemaVersion}, the current one is ${current}, and no upcaster leads ${step}`;
  return new TelltaleError('UPCAST_FAILED', message, { details: { type: event.type, from: version, current } });
}

// Of plain data; whatever else a trusted payload holds is handed on as it is.
function copyOf(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(copyOf);
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return value;
  const copy: Record<string, unknown> = {};
  for (const [key, member] of Object.entries(value)) copy[key] = copyOf(member);
  return copy;
}

function runUpcast(upcast: Upcast, event: TelltaleEvent, version: number): unknown {
  const what = `the upcaster of \`${event.type}\` from version ${version} to ${version + 1}`;
  let payload: unknown;
  try {
    payload = upcast(event.payload, event);
  } catch (cause) {
    throw new TelltaleError('UPCAST_FAILED', `${what} threw on event ${event.id}: ${messageOf(cause)}`, {
      cause,
    });
  }
  if (!isPromise(payload)) return payload;
  // Nobody waits for it, as above.
  payload.then(undefined, () => undefined);
  throw new TelltaleError('UPCAST_FAILED', `${what} answered with a Promise; upcasters must be synchronous`);
}

function isPromise(value: unknown): value is Promise<unknown> {
  return typeof value === 'object' && value !== null && typeof Reflect.get(value, 'then') === 'function';
}
