import { TelltaleError } from '../errors.ts';

const MAX_KEY_LENGTH = 16 * 1024 * 1024;

/** Values by key, made when the key is first met. Bounded in number and in the length of all keys together. */
export class Keyed<Value> {
  readonly #max: number;
  readonly #call: string;
  readonly #what: string;
  readonly #values = new Map<string, Value>();
  #keyLength = 0;

  /** `call` and `what` are for the refusal: "summarize met more than 10000 rows". */
  constructor(max: number, call: string, what: string) {
    this.#max = max;
    this.#call = call;
    this.#what = what;
  }

  get size(): number {
    return this.#values.size;
  }

  all(): Iterable<Value> {
    return this.#values.values();
  }

  /** Throws `INVALID_QUERY` for one too many. */
  get(key: string, make: () => Value): Value {
    const known = this.#values.get(key);
    if (known !== undefined) return known;
    this.#keyLength += key.length;
    if (this.#values.size >= this.#max) throw tooMany(this.#call, `${this.#max} ${this.#what}`, this.#max);
    if (this.#keyLength > MAX_KEY_LENGTH) throw tooMany(this.#call, '16 MiB of keys', MAX_KEY_LENGTH);
    const value = make();
    this.#values.set(key, value);
    return value;
  }
}

/** The refusal of a question whose answer would not be bounded. */
export function tooMany(call: string, what: string, max: number): TelltaleError {
  const text = `${call} met more than ${what}: narrow the selection, take a wider \`bucket\` or a coarser \`by\``;
  return new TelltaleError('INVALID_QUERY', text, { details: { max } });
}
