const EVERY_MS = 5_000;

/** The space that is left where a store lies, measured every so often by whoever asks for it. */
export class FreeSpace {
  readonly #measure: () => Promise<number | undefined>;
  #bytes: number | undefined;
  #at = -Infinity;

  constructor(measure: () => Promise<number | undefined>) {
    this.#measure = measure;
  }

  /** What is known at once; the next one who asks is told what is measured meanwhile. */
  figures(now: number): { readonly diskFreeBytes?: number } {
    void this.look(now);
    return this.#bytes === undefined ? {} : { diskFreeBytes: this.#bytes };
  }

  /** Never rejects: where it cannot be measured it is not told. `now` is monotonic. */
  async look(now: number): Promise<void> {
    if (now - this.#at < EVERY_MS) return;
    this.#at = now;
    this.#bytes = await this.#measure().catch(() => undefined);
  }
}
