/** Runs one step after the other, in the order of the calls; one that fails holds up nobody. */
export class Serial {
  #last: Promise<unknown> = Promise.resolve();

  /** Settles as the step does. */
  run<T>(step: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(step);
    // Whoever asked for it is told; what waits behind it has its turn all the same.
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  /** Resolves when everything that was asked for so far has ended. */
  async idle(): Promise<void> {
    await this.#last;
  }
}
