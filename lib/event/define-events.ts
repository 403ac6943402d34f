import { expected, TelltaleError } from '../errors.ts';
import { isOptions } from '../parse-options.ts';
import { isStandardSchema, type InputOf, type StandardSchema } from './schema.ts';
import type { TelltaleEvent } from './event.ts';
import { checkType, isReserved } from './type-name.ts';

/** `copy`: checked, copied and frozen. `plain`: made plain first. `trust`: passed as it is, checked where it is stored. */
export type PayloadMode = 'copy' | 'plain' | 'trust';

/**
 * Brings a payload of one version to the next. Runs when an old event is read; what is stored stays as it is. The payload
 * is a copy, to be changed and answered or not.
 */
export type Upcast = (payload: unknown, event: TelltaleEvent) => unknown;

/** One type, with all that can be said about it. */
export interface EventEntry<S extends StandardSchema = StandardSchema> {
  /** Of the current version. Without it any plain payload is accepted. */
  readonly schema?: S;
  /** The current version, from 1. @default 1 */
  readonly version?: number;
  /** Events of the type are delivered and written nowhere. @default false */
  readonly transient?: boolean;
  /** What becomes of its payloads at the door, where it is not as the bus does it: see the bus option of that name. */
  readonly payload?: PayloadMode;
  /** By the version they start from: `{ 1: toSecond, 2: toThird }`. */
  readonly upcast?: Readonly<Record<number, Upcast>>;
}

/** Types and what they carry: a schema, or an entry. */
export type EventDeclarations = Readonly<Record<string, StandardSchema | EventEntry>>;

/** The payload of each declared type, as a caller passes it and as it is stored. */
export type PayloadsOf<D> = { readonly [T in keyof D & string]: PayloadOf<D[T]> };

type PayloadOf<Entry> = Entry extends StandardSchema
  ? InputOf<Entry>
  : Entry extends { readonly schema: infer S }
    ? InputOf<S>
    : unknown;

export const PAYLOAD_MODES: readonly unknown[] = ['copy', 'plain', 'trust'];
const ENTRY_KEYS: readonly string[] = ['schema', 'version', 'transient', 'payload', 'upcast'];

/**
 * Declares the types a bus knows:
 *
 * ```ts
 * const events = defineEvents({
 *   'task.created': z.object({ title: z.string() }),                // any Standard Schema
 *   token: transient(z.string()),                                   // delivered, never stored
 *   'order.placed': { version: 2, schema: order, upcast: { 1: (payload) => ({ ...payload, currency: 'EUR' }) } },
 * })
 * ```
 *
 * Throws `INVALID_TYPE`, `RESERVED_TYPE`, `INVALID_OPTION`.
 */
export function defineEvents<const D extends EventDeclarations>(declarations: D): D {
  if (!isOptions(declarations))
    throw expected('INVALID_OPTION', 'the argument of `defineEvents`', 'a plain object of types', declarations);
  for (const [type, entry] of Object.entries(declarations)) {
    checkType(type);
    if (isReserved(type)) {
      throw new TelltaleError(
        'RESERVED_TYPE',
        `type \`${type}\` cannot be declared: types that begin with $ belong to the bus`,
      );
    }
    checkEntry(type, entry);
  }
  return Object.freeze({ ...declarations });
}

/** A type whose events are delivered and written nowhere, with or without a schema. */
export function transient(): { readonly transient: true };
export function transient<S extends StandardSchema>(schema: S): { readonly transient: true; readonly schema: S };
export function transient(schema?: StandardSchema): EventEntry {
  return schema === undefined ? { transient: true } : { transient: true, schema };
}

/** A declaration as an entry. */
export function entryOf(declared: StandardSchema | EventEntry): EventEntry {
  return isStandardSchema(declared) ? { schema: declared } : declared;
}

function checkEntry(type: string, declared: unknown): void {
  if (isStandardSchema(declared)) return;
  const name = `the declaration of \`${type}\``;
  const shape = 'a Standard Schema, transient(schema) or { schema, version, transient, payload, upcast }';
  if (!isOptions(declared)) throw expected('INVALID_OPTION', name, shape, declared);
  const unknown = Object.keys(declared).find((key) => !ENTRY_KEYS.includes(key));
  if (unknown !== undefined)
    throw new TelltaleError('INVALID_OPTION', `${name} has an unknown key \`${unknown}\`, expected ${shape}`);
  checkFields(name, declared as Readonly<Record<string, unknown>>);
}

function checkFields(name: string, entry: Readonly<Record<string, unknown>>): void {
  const { schema, version = 1, transient: isTransient = false, payload = 'copy', upcast = {} } = entry;
  if (schema !== undefined && !isStandardSchema(schema))
    throw expected('INVALID_OPTION', `\`schema\` in ${name}`, 'a Standard Schema', schema);
  if (!Number.isSafeInteger(version) || Number(version) < 1)
    throw expected('INVALID_OPTION', `\`version\` in ${name}`, 'an integer from 1', version);
  if (typeof isTransient !== 'boolean')
    throw expected('INVALID_OPTION', `\`transient\` in ${name}`, 'true or false', isTransient);
  if (!PAYLOAD_MODES.includes(payload))
    throw expected('INVALID_OPTION', `\`payload\` in ${name}`, "'copy', 'plain' or 'trust'", payload);
  for (const [from, link] of Object.entries(upcast as object)) {
    if (typeof link !== 'function')
      throw expected('INVALID_OPTION', `\`upcast[${from}]\` in ${name}`, 'a function', link);
    if (Number.isInteger(Number(from)) && Number(from) >= 1 && Number(from) < Number(version)) continue;
    const range = `a version from 1 to ${Number(version) - 1}, the one it starts from`;
    throw expected('INVALID_OPTION', `a key of \`upcast\` in ${name}`, range, from);
  }
}
