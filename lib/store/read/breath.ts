/** Half of what a loop may be held, because what is done between two looks at the clock comes on top. */
const HOLD_MS = 6;

/**
 * Lets the event loop turn while a long read goes on. A store in memory answers page after page without ever waiting,
 * so whoever reads much asks `isDue` between pieces of work and awaits `take`. By real time, whatever clock the bus has.
 */
export class Breath {
  #since = performance.now();

  get isDue(): boolean {
    return performance.now() - this.#since >= HOLD_MS;
  }

  async take(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    this.#since = performance.now();
  }
}
