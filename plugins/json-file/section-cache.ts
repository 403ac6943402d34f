/** Least recently used sections of index files, bounded by bytes, shared by all segments of a log. */
export class SectionCache {
  readonly #limit: number;
  readonly #sections = new Map<string, Uint32Array>();
  #bytes = 0;

  constructor(limitBytes: number) {
    this.#limit = limitBytes;
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
