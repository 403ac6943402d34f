/** A bounded number of places for what is under way. */
export class Room {
  readonly #places: number;
  #taken = 0;
  #waiting: (() => void)[] = [];

  constructor(places: number) {
    this.#places = places;
  }

  /**
   * How many places are free, once that is at least half of them, so that they are filled in few rounds; 0 once the
   * signal is aborted.
   */
  async free(signal: AbortSignal): Promise<number> {
    const wake = (): void => this.#wake();
    signal.addEventListener('abort', wake);
    try {
      while (this.#taken * 2 > this.#places && !signal.aborted) await this.#change();
    } finally {
      signal.removeEventListener('abort', wake);
    }
    return signal.aborted ? 0 : this.#places - this.#taken;
  }

  enter(count: number): void {
    this.#taken += count;
  }

  leave(): void {
    this.#taken--;
    this.#wake();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
