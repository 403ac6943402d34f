import { types } from 'node:util';
import type { Plain } from './event.ts';
import { bytesToPlain, errorFields, isBytes, listOf, nameOf, textOf } from './plain-forms.ts';

export interface ToPlainOptions {
  /** What goes beyond is cut and marked. Bytes of JSON, roughly. @default 4 MiB, half of what an event may have */
  readonly maxBytes?: number;
  /** Deeper data is cut and marked. At most 90, so that there is room for it within a payload. @default 32 */
  readonly maxDepth?: number;
}

const DEFAULT_MAX_BYTES = 4 * 2 ** 20;
const DEFAULT_MAX_DEPTH = 32;
const DEPTH_LIMIT = 90;

/**
 * Any value as plain data that admission accepts. Never throws, whatever getters, proxies and `toJSON` do.
 *
 * - Error → `{ name, message, code?, stack, cause?, errors?, …own fields }`
 * - Date → ISO string; URL and RegExp → their text; bytes → `{ base64, bytes }` (`bytes` is the whole length)
 * - Set and typed arrays → array; Map → object if all keys are strings, otherwise array of `[key, value]`
 * - BigInt, NaN and infinities → their text; boxed primitives → the primitive; `undefined` → left out, null in arrays
 * - class instances → what `toJSON` answers, otherwise their own enumerable fields; `[Name]` if there are none
 * - NUL and lone surrogates → U+FFFD; a key `__proto__` → `[__proto__]`
 *
 * What cannot be told is a text in brackets: `[function parse]`, `[Symbol(key)]`, `[circular: .a.b]`, `[too deep]`,
 * `[unreadable: …]`, `… [cut: 100 of 250 characters]`, and `[cut]` as the last item or key of what was too large.
 */
export function toPlain(value: unknown, options: ToPlainOptions = {}): Plain {
  const maxDepth = Math.min(options.maxDepth ?? DEFAULT_MAX_DEPTH, DEPTH_LIMIT);
  return new Plainer(options.maxBytes ?? DEFAULT_MAX_BYTES, maxDepth).value(value, '') ?? null;
}

/** Spends `left` on what it makes; `inside` are the objects it is within, with their paths. */
class Plainer {
  #left: number;
  readonly #maxDepth: number;
  readonly #inside = new Map<object, string>();

  constructor(maxBytes: number, maxDepth: number) {
    this.#left = maxBytes;
    this.#maxDepth = maxDepth;
  }

  /** Undefined only for undefined. */
  value(value: unknown, path: string): Plain | undefined {
    this.#left -= 6;
    if (typeof value === 'string') return this.#text(value);
    // + 0 makes -0 to 0.
    if (typeof value === 'number') return Number.isFinite(value) ? value + 0 : String(value);
    if (typeof value === 'boolean' || value === undefined || value === null) return value;
    if (typeof value === 'bigint' || typeof value === 'symbol') return this.#text(nameOf(value));
    try {
      return this.#object(value, path);
    } catch (error) {
      return this.#text(`[unreadable: ${messageOf(error)}]`);
    }
  }

  #object(value: object, path: string): Plain {
    if (typeof value === 'function') return this.#text(nameOf(value));
    const same = this.#inside.get(value);
    if (same !== undefined) return this.#text(`[circular: ${same.slice(0, 200) || 'the whole'}]`);
    if (this.#inside.size >= this.#maxDepth) return this.#text('[too deep]');
    this.#inside.set(value, path);
    try {
      return this.#form(value, path);
    } finally {
      this.#inside.delete(value);
    }
  }

  #form(value: object, path: string): Plain {
    const text = textOf(value);
    if (text !== undefined) return this.#text(text);
    if (isBytes(value)) return this.#bytes(value);
    if (types.isBoxedPrimitive(value)) return this.value(value.valueOf(), path) ?? null;
    if (Array.isArray(value)) return this.#list(value, value.length, path);
    const list = listOf(value);
    if (list !== undefined) return this.#list(list, list.length, path);
    if (types.isMap(value)) return this.#map(value, path);
    if (types.isNativeError(value) || value instanceof Error) return this.#fields(errorFields(value), path);
    return this.#instance(value, path);
  }

  #instance(value: object, path: string): Plain {
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype === Object.prototype || prototype === null) return this.#fields(ownFields(value), path);
    const json = fromToJson(value);
    if (json !== undefined && json !== value) return this.value(json, path) ?? null;
    const names = ownFields(value);
    if (names.length > 0) return this.#fields(names, path);
    const name = className(value);
    return name === 'Object' ? {} : this.#text(`[${name}]`);
  }

  #map(map: Map<unknown, unknown>, path: string): Plain {
    const entries = [...Map.prototype.entries.call(map)] as [unknown, unknown][];
    if (!entries.every(([key]) => typeof key === 'string')) return this.#list(entries, entries.length, path);
    const fields = entries.map(([key, value]): Field => [key as string, () => value]);
    return this.#fields(fields, path);
  }

  #list(list: ArrayLike<unknown>, length: number, path: string): Plain {
    const plain: Plain[] = [];
    for (let i = 0; i < length; i++) {
      if (this.#left <= 0) {
        plain.push(`[cut: ${i} of ${length} items]`);
        break;
      }
      plain.push(this.#read(() => list[i], `${path}[${i}]`) ?? null);
    }
    return plain;
  }

  #fields(fields: readonly Field[], path: string): Plain {
    const plain: Record<string, Plain> = {};
    for (const [i, [name, read]] of fields.entries()) {
      if (this.#left <= 0) {
        plain['[cut]'] = `${i} of ${fields.length} fields`;
        break;
      }
      const key = name === '__proto__' ? '[__proto__]' : this.#text(name);
      const value = this.#read(read, `${path}.${key}`);
      if (value !== undefined) plain[key] = value;
    }
    return plain;
  }

  #read(read: () => unknown, path: string): Plain | undefined {
    let value: unknown;
    try {
      value = read();
    } catch (error) {
      return this.#text(`[unreadable: ${messageOf(error)}]`);
    }
    return this.value(value, path);
  }

  #bytes(value: ArrayBuffer | ArrayBufferView): Plain {
    const { base64, bytes } = bytesToPlain(value, Math.max(0, this.#left));
    this.#left -= base64.length + 30;
    const kept = Math.floor((base64.length * 3) / 4);
    return kept < bytes - 2 ? { base64, bytes, '[cut]': `${kept} of ${bytes} bytes` } : { base64, bytes };
  }

  #text(text: string): string {
    const room = Math.max(0, this.#left);
    if (fits(text, room)) return this.#spend(mend(text));
    const start = text.slice(0, room);
    // A character has at most three bytes.
    const kept = fits(start, room) ? start : text.slice(0, Math.floor(room / 3));
    return this.#spend(`${mend(kept)}… [cut: ${kept.length} of ${text.length} characters]`);
  }

  #spend(text: string): string {
    this.#left -= Buffer.byteLength(text) + 3;
    return text;
  }
}

type Field = readonly [name: string, read: () => unknown];

function ownFields(value: object): Field[] {
  // While an AsyncLocalStorage is active, Node marks promises with symbols of its own, which say nothing to anybody.
  if (value instanceof Promise) return [];
  const names: PropertyKey[] = Object.keys(value);
  const symbols = Object.getOwnPropertySymbols(value).filter(
    (symbol) => Object.getOwnPropertyDescriptor(value, symbol)?.enumerable,
  );
  return [...names, ...symbols].map((name) => [String(name), () => Reflect.get(value, name) as unknown]);
}

function fromToJson(value: object): unknown {
  try {
    const toJson: unknown = Reflect.get(value, 'toJSON');
    return typeof toJson === 'function' ? (Reflect.apply(toJson, value, ['']) as unknown) : undefined;
  } catch {
    return undefined;
  }
}

function className(value: object): string {
  const constructor: unknown = Reflect.get(value, 'constructor');
  return typeof constructor === 'function' && constructor.name !== '' ? constructor.name : 'object';
}

function messageOf(error: unknown): string {
  try {
    return String(error instanceof Error ? error.message : error).slice(0, 200);
  } catch {
    return 'it threw something that cannot be told';
  }
}

function fits(text: string, room: number): boolean {
  return text.length * 3 <= room || (text.length <= room && Buffer.byteLength(text) <= room);
}

function mend(text: string): string {
  const whole = (text as string & { toWellFormed(): string }).toWellFormed();
  return whole.includes('\0') ? whole.replaceAll('\0', '\ufffd') : whole;
}
