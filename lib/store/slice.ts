const HOLD_MS = 5;

/**
 * Keeps long work from holding the event loop: ask `isOver` after each small piece, and `rest` when it says so. A hold
 * is a slice plus one piece, so pieces stay below some milliseconds. By real time, whatever clock the bus has. Reads
 * need it too: a store in memory answers page after page without ever waiting.
 */
export class Slice {
  readonly #holdMs: number;
  #since = performance.now();

  constructor(holdMs = HOLD_MS) {
    this.#holdMs = holdMs;
  }

  get isOver(): boolean {
    return performance.now() - this.#since >= this.#holdMs;
  }

  /** Lets timers, sockets and appends have their turn. */
  async rest(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    this.#since = performance.now();
  }
}
