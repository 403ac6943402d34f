import type { Clock } from '../clock.ts';

/** Looks every `idleMs` for what has had nothing to do for so long; one timer, and none while there is nothing to watch. */
export class IdleWatch {
  readonly #clock: Clock;
  readonly #idleMs: number;
  readonly #sweep: (since: number) => boolean;
  #cancel: (() => void) | undefined;

  /** `sweep` puts aside what was last used at or before `since`; answers whether something is left to watch. */
  constructor(clock: Clock, idleMs: number, sweep: (since: number) => boolean) {
    this.#clock = clock;
    this.#idleMs = idleMs;
    this.#sweep = sweep;
  }

  start(): void {
    this.#cancel ??= this.#clock.after(this.#idleMs, () => {
      this.#cancel = undefined;
      if (this.#sweep(this.#clock.monotonic() - this.#idleMs)) this.start();
    });
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }
}
