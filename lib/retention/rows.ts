const BITS = 9;
const SIZE = 1 << BITS;

/** Facts in columns. */
export interface Rows {
  readonly position: Float64Array;
  readonly bytes: Uint32Array;
  /** −1 for none. */
  readonly rule: Int16Array;
  readonly type: Uint32Array;
  /** Why its own rule keeps it, as far as the event alone tells; 0 where it does not. */
  readonly held: Uint8Array;
  /** Which protection keeps it; 0 for none. */
  readonly shielded: Uint8Array;
  /** Number of its entity among those of its rule, + 1; 0 where that does not matter. */
  readonly entity: Uint32Array;
  /** Number of its correlation, + 1; 0 where that does not matter. */
  readonly chain: Uint32Array;
  /** What was decided. */
  readonly why: Uint8Array;
}

/** Rows in chunks of 512, 29 bytes each: they grow without copying, and a small plan is small. */
export class RowChunks {
  readonly chunks: Rows[] = [];
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Where the next row goes: an index into the newest chunk. */
  next(): number {
    const at = this.#count & (SIZE - 1);
    if (at === 0) this.chunks.push(createRows());
    this.#count++;
    return at;
  }

  get newest(): Rows {
    return this.chunks[this.chunks.length - 1]!;
  }

  /** Rows in use of the chunk with this index. */
  sizeOf(chunk: number): number {
    return Math.min(SIZE, this.#count - (chunk << BITS));
  }
}

function createRows(): Rows {
  return {
    position: new Float64Array(SIZE),
    bytes: new Uint32Array(SIZE),
    rule: new Int16Array(SIZE),
    type: new Uint32Array(SIZE),
    held: new Uint8Array(SIZE),
    shielded: new Uint8Array(SIZE),
    entity: new Uint32Array(SIZE),
    chain: new Uint32Array(SIZE),
    why: new Uint8Array(SIZE),
  };
}
