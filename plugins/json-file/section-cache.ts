/**
 * Least recently used sections of index files, bounded by bytes, shared by all segments of a log; and the allowance of
 * those that are never let go, the filters.
 */
export class SectionCache {
  readonly #limit: number;
  #allowance: number;
  readonly #sections = new Map<string, Uint32Array>();
  #bytes = 0;

  constructor(limitBytes: number, allowanceBytes: number) {
    this.#limit = limitBytes;
    this.#allowance = allowanceBytes;
  }

  /** Whether so many bytes more may stay in memory outside the cache; negative bytes are given back. */
  allow(bytes: number): boolean {
    if (bytes > this.#allowance) return false;
    this.#allowance -= bytes;
    return true;
  }

  get(key: string): Uint32Array | undefined {
    const found = this.#sections.get(key);
    if (found === undefined) return undefined;
    // A Map keeps insertion order: what was asked for last is put last.
    this.#sections.delete(key);
    this.#sections.set(key, found);
    return found;
  }

  put(key: string, section: Uint32Array): Uint32Array {
    const before = this.#sections.get(key);
    if (before !== undefined) return before;
    this.#sections.set(key, section);
    this.#bytes += section.byteLength;
    for (const [oldest, words] of this.#sections) {
      if (this.#bytes <= this.#limit || oldest === key) break;
      this.#sections.delete(oldest);
      this.#bytes -= words.byteLength;
    }
    return section;
  }
}
