const MOST = 500_000;
const SHARDS = 64;
const END = 2 ** 32;

/** Entities of these hashes were looked at as far as `through` by the pass before. */
interface Left {
  readonly from: number;
  readonly through: number;
}

/**
 * Whether the revisions of each entity rise. Of a log with more entities than memory shall hold, one pass looks at
 * those whose hashes are below a bound, which is halved whenever they are too many; `next` begins the pass for the
 * others, if there are any.
 */
export class RisingRevisions {
  readonly #most: number;
  // A Map with more than 65,536 entries holds up the event loop when it grows.
  #shards: Map<string, number>[] = emptyShards();
  #entities = 0;
  #from = 0;
  #below = END;
  #left: Left[] = [];
  /** Of each pass before. */
  readonly #before: (readonly Left[])[] = [];

  constructor(most = MOST) {
    this.#most = most;
  }

  /** False for the first time that a revision is seen not to rise. Positions rise within a pass. */
  rises(entity: string, revision: number, position: number): boolean {
    const hash = hashOf(entity);
    if (hash < this.#from || hash >= this.#below) return true;
    const shard = this.#shards[hash % SHARDS]!;
    const last = shard.get(entity);
    shard.set(entity, revision);
    if (last === undefined && ++this.#entities > this.#most) this.#halve(position);
    return revision > (last ?? 0) || position <= this.#lookedAt(hash);
  }

  /** Whether another pass has to be made, which this begins. */
  next(): boolean {
    if (this.#below === END) return false;
    [this.#from, this.#below] = [this.#below, END];
    this.#before.push(this.#left);
    this.#left = [];
    this.#shards = emptyShards();
    this.#entities = 0;
    return true;
  }

  #halve(position: number): void {
    if (this.#below - this.#from <= 1) return;
    this.#below = Math.floor((this.#from + this.#below) / 2);
    this.#left.push({ from: this.#below, through: position });
    for (const shard of this.#shards)
      for (const entity of shard.keys()) if (hashOf(entity) >= this.#below) shard.delete(entity);
    this.#entities = this.#shards.reduce((sum, { size }) => sum + size, 0);
  }

  #lookedAt(hash: number): number {
    // Bounds fall: the first that is low enough is where the pass left this hash.
    const through = this.#before.map((left) => left.find(({ from }) => from <= hash)!.through);
    return Math.max(0, ...through);
  }
}

function emptyShards(): Map<string, number>[] {
  return Array.from({ length: SHARDS }, () => new Map<string, number>());
}

/** FNV-1a, mixed once more so that its high bits differ as well as its low ones. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return (hash ^ (hash >>> 13)) >>> 0;
}
