/** Growing a Map past its powers of two stops the event loop for as long as it is large: many small ones do not. */
const SHARDS = 64;

/** Gives each text a number, from 0 in the order they come. */
export class Keys {
  readonly #shards: (Map<string, number> | undefined)[] = Array.from({ length: SHARDS });
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The text's number, a new one where it has none. */
  number(key: string): number {
    const shard = (this.#shards[shardOf(key)] ??= new Map<string, number>());
    const known = shard.get(key);
    if (known !== undefined) return known;
    shard.set(key, this.#size);
    return this.#size++;
  }

  /** −1 for a text without number. */
  known(key: string): number {
    return this.#shards[shardOf(key)]?.get(key) ?? -1;
  }

  /** The texts of some numbers, by looking through all of them; yields where others may have their turn. */
  *textsOf(numbers: ReadonlySet<number>): Generator<undefined, ReadonlyMap<number, string>, undefined> {
    const found = new Map<number, string>();
    if (numbers.size === 0) return found;
    for (const shard of this.#shards) {
      yield;
      for (const [key, number] of shard ?? []) if (numbers.has(number)) found.set(number, key);
    }
    return found;
  }
}

// Ids differ at their ends.
function shardOf(key: string): number {
  let hash = key.length;
  for (let at = Math.max(0, key.length - 6); at < key.length; at++) hash = (hash * 31 + key.charCodeAt(at)) | 0;
  return (hash ^ (hash >>> 8)) & (SHARDS - 1);
}
