/** A bounded number of places: `enter` waits while all are taken. */
export class Room {
  readonly #places: number;
  #taken = 0;
  #waiting: (() => void)[] = [];

  constructor(places: number) {
    this.#places = places;
  }

  /** Resolves true with a place taken, or, once aborted, false without one. */
  async enter(signal: AbortSignal): Promise<boolean> {
    const wake = (): void => this.#wake();
    signal.addEventListener('abort', wake);
    try {
      while (this.#taken >= this.#places && !signal.aborted) await this.#change();
    } finally {
      signal.removeEventListener('abort', wake);
    }
    if (signal.aborted) return false;
    this.#taken++;
    return true;
  }

  leave(): void {
    this.#taken--;
    this.#wake();
  }

  /** Resolves when nobody is in the room. */
  async empty(): Promise<void> {
    while (this.#taken > 0) await this.#change();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
