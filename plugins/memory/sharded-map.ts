// A Map that grows past a million entries stops the event loop for 200 ms; one of at most 65,536 for less than 10.
const SHARDS = 512;
const SAMPLES = 16;

/** A Map over many small Maps, chosen by a hash of the key. */
export class ShardedMap<V> {
  readonly #shards: (Map<string, V> | undefined)[] = [];

  /** Entries of the fullest map. */
  get largest(): number {
    return this.#shards.reduce((most, shard) => Math.max(most, shard?.size ?? 0), 0);
  }

  get(key: string): V | undefined {
    return this.#shards[shardOf(key)]?.get(key);
  }

  set(key: string, value: V): void {
    const shard = shardOf(key);
    (this.#shards[shard] ??= new Map()).set(key, value);
  }

  delete(key: string): void {
    this.#shards[shardOf(key)]?.delete(key);
  }
}

// At most 16 to 31 characters spread over the key: keys that differ only at one end must not meet in one shard.
function shardOf(key: string): number {
  const step = Math.max(1, Math.floor(key.length / SAMPLES));
  let hash = key.length;
  for (let i = 0; i < key.length; i += step) hash = (Math.imul(hash, 31) + key.charCodeAt(i)) | 0;
  return (hash ^ (hash >>> 15)) & (SHARDS - 1);
}
