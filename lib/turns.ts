/** Lets what is about the same thing run one after another, in the order of the calls. */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>();

  /** Settles as `work` does. */
  take<T>(about: string, work: () => Promise<T>): Promise<T> {
    const turn = (this.#last.get(about) ?? Promise.resolve()).then(work);
    const over: Promise<unknown> = turn
      // Whoever asked for it is told; the next one has its turn all the same.
      .catch(() => undefined)
      .finally(() => {
        if (this.#last.get(about) === over) this.#last.delete(about);
      });
    this.#last.set(about, over);
    return turn;
  }
}
