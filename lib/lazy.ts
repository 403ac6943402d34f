/** Made once, for the first who asks; where that fails, the next one who asks tries again. */
export class Lazy<T> {
  #made: Promise<T> | undefined;

  /** Settles as `make` does, whoever brought it. */
  get(make: () => Promise<T>): Promise<T> {
    if (this.#made) return this.#made;
    const made = make();
    this.#made = made;
    // Whoever asked is told.
    made.catch(() => {
      if (this.#made === made) this.#made = undefined;
    });
    return made;
  }

  /** What there is, if there is any; the next one who asks has another made. */
  async take(): Promise<T | undefined> {
    const made = this.#made;
    this.#made = undefined;
    // Whoever asked for it was told why there is none.
    return made?.catch(() => undefined);
  }
}
