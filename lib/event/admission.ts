import type { TelltaleError } from '../errors.ts';
import { refusal, type Refusal } from './admission-refusal.ts';
import type { Plain } from './event.ts';
import { isWellFormed } from './well-formed.ts';

export interface Admitted {
  /** A deeply frozen copy. */
  readonly value: Plain;
  /** Estimated size as JSON in UTF-8; escapes are not counted. */
  readonly bytes: number;
}

/** How deep arrays and objects may lie within each other. */
export const MAX_DEPTH = 100;

// Above this many characters two native scans cost less than a loop.
const LONG_TEXT = 96;
const objectPrototype: unknown = Object.prototype;
const arrayPrototype: unknown = Array.prototype;

/**
 * Checks, estimates, copies and freezes in one walk; the caller's value is left as it is and may go on changing.
 *
 * Plain data only: null, booleans, finite numbers, well-formed strings, arrays without holes or `undefined`, and
 * objects of `Object.prototype` (of any realm) or without prototype. `undefined` properties are left out, -0 becomes 0,
 * an accessor is read once and what it answered is the value, `toJSON` is not called; properties that are inherited or
 * not enumerable or have a symbol as key, and named properties of an array, are no data, as in JSON. `undefined` itself is `null` as payload and
 * `{}` as metadata.
 *
 * Throws `PAYLOAD_*` with the path, what is there and the remedy, and nothing else, whatever a getter or a proxy does.
 */
export function admit(value: unknown, root: 'payload' | 'metadata' | 'answer' | 'state', maxBytes: number): Admitted {
  const walk = idle ?? new Walk();
  // A getter or a proxy may emit in the middle of a walk: that one gets a walk of its own.
  idle = undefined;
  try {
    return walk.run(value, root, maxBytes);
  } catch (error) {
    throw walk.explain(error, value, root);
  } finally {
    idle = walk;
  }
}

let idle: Walk | undefined;

/**
 * One walk at a time, used again by the next: `parents[0..depth)` are the objects the walk is inside of, `keys[i]` the
 * key by which it entered `parents[i]`. Failing is rare, so that the path is put together only then.
 */
class Walk {
  #bytes = 0;
  #maxBytes = 0;
  #depth = 0;
  #key: string | number | undefined;
  #refused: Refusal | undefined;
  #inherits = false;
  readonly #parents: unknown[] = [];
  readonly #keys: (string | number | undefined)[] = [];

  run(value: unknown, root: 'payload' | 'metadata' | 'answer' | 'state', maxBytes: number): Admitted {
    this.#bytes = 0;
    this.#maxBytes = maxBytes;
    this.#key = undefined;
    this.#inherits = isPolluted();
    if (root === 'metadata' && !isObject(value)) return this.#metadata(value);
    const copy = value === undefined ? null : this.#value(value, undefined);
    if (this.#bytes > maxBytes) this.#refuse('too-large', undefined, value);
    return { value: copy, bytes: this.#bytes };
  }

  /** The error for whatever stopped the walk; makes the walk ready for the next one. */
  explain(error: unknown, value: unknown, root: string): TelltaleError {
    const at = {
      root,
      value,
      maxBytes: this.#maxBytes,
      bytes: this.#bytes,
      parents: this.#parents,
      keys: this.#keys,
      depth: this.#depth,
    };
    const found = this.#refused ?? { kind: 'threw' as const, key: this.#key, value: undefined };
    const answer = refusal(found, at, error);
    this.#refused = undefined;
    this.#parents.length = 0;
    this.#depth = 0;
    return answer;
  }

  #metadata(value: unknown): Admitted {
    if (value !== undefined) this.#refuse('not-object', undefined, value);
    return { value: Object.freeze({}), bytes: 2 };
  }

  #value(value: unknown, key: string | number | undefined): Plain {
    if (typeof value === 'string') {
      this.#text(value, key, value);
      return value;
    }
    if (typeof value === 'number') {
      if (value - value !== 0) this.#refuse('bad-number', key, value);
      this.#bytes += (value | 0) === value ? 4 : 12;
      return value === 0 ? 0 : value;
    }
    if (typeof value === 'boolean' || value === null) {
      this.#bytes += 6;
      return value;
    }
    if (typeof value !== 'object') return this.#refuse('not-plain', key, value);
    return this.#container(value, key);
  }

  #container(value: object, key: string | number | undefined): Plain {
    if (this.#depth >= MAX_DEPTH) this.#refuse('too-deep', key, value);
    if (this.#bytes > this.#maxBytes) this.#refuse('too-large', key, value);
    this.#bytes += 3;
    this.#parents[this.#depth] = value;
    this.#keys[this.#depth++] = key;
    this.#key = undefined;
    const copy = Array.isArray(value) ? this.#array(value) : this.#object(value as Record<string, unknown>);
    this.#parents[--this.#depth] = undefined;
    return copy;
  }

  #array(value: readonly unknown[]): Plain {
    if (Object.getPrototypeOf(value) !== arrayPrototype && !isForeignArray(value)) this.#refuseParent(value);
    const copy: Plain[] = [];
    for (let i = 0; i < value.length; i++) {
      this.#key = i;
      copy.push(this.#value(value[i], i));
    }
    return Object.freeze(copy);
  }

  #object(value: Record<string, unknown>): Plain {
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype !== objectPrototype && prototype !== null && !isForeignObject(prototype)) this.#refuseParent(value);
    const copy: Record<string, Plain> = {};
    for (const key in value) {
      if (this.#inherits && !Object.hasOwn(value, key)) continue;
      this.#key = key;
      if (key === '__proto__') this.#refuse('forbidden-key', key, undefined);
      const member = value[key];
      if (member === undefined) continue;
      this.#text(key, key, key);
      copy[key] = this.#value(member, key);
    }
    return Object.freeze(copy);
  }

  #text(text: string, key: string | number | undefined, value: unknown): void {
    const length = text.length;
    let bits = 0;
    if (length <= LONG_TEXT) {
      for (let i = 0; i < length; i++) {
        const code = text.charCodeAt(i);
        // NUL becomes -1, all bits set, so that one comparison finds all that needs a closer look.
        bits |= code - 1;
      }
      if (bits >>> 0 < 0x80) {
        this.#bytes += length + 3;
        return;
      }
    }
    if (!isWellFormed(text)) this.#refuse('bad-string', key, value);
    this.#bytes += Buffer.byteLength(text) + 3;
    if (this.#bytes > this.#maxBytes) this.#refuse('too-large', key, value);
  }

  #refuseParent(value: object): never {
    this.#depth--;
    return this.#refuse('not-plain', this.#keys[this.#depth], value);
  }

  #refuse(kind: Refusal['kind'], key: string | number | undefined, value: unknown): never {
    this.#refused = { kind, key, value };
    throw REFUSED;
  }
}

// Thrown once per refusal and replaced by `explain`, so that the walk needs no path and no stack.
const REFUSED = new Error('refused');

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

// Somebody's enumerable property on Object.prototype shows in every for-in.
function isPolluted(): boolean {
  for (const _ in EMPTY) return true;
  return false;
}
const EMPTY = {};

// Objects of another realm (vm contexts, jest): their prototype is an Object.prototype, not a class's.
function isForeignObject(prototype: unknown): boolean {
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype as object, 'isPrototypeOf');
}

// The Array.prototype of any realm is itself an array; that of a subclass is not.
function isForeignArray(value: readonly unknown[]): boolean {
  return Array.isArray(Object.getPrototypeOf(value));
}
