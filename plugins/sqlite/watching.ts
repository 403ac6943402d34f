import type { Clock, Range } from '../../lib/plugin.ts';
import type { Connection } from './connection.ts';
import { changesSince, lastChange } from './log.ts';

export interface WatchPort {
  readonly reader: () => Connection | undefined;
  readonly pollMs: number;
  /** Somebody else has removed or rewritten these. */
  readonly changed: (ranges: readonly Range[]) => void;
}

/** Sees what other processes commit, by looking at the file's version every so often. */
export class FileWatch {
  readonly #port: WatchPort;
  /** The changes up to this serial have been told. */
  #told = 0;

  constructor(port: WatchPort) {
    this.#port = port;
  }

  /** Changes from now on are told. */
  start(reader: Connection): void {
    this.#told = lastChange(reader);
  }

  /** The changes between two serials are this process's own; those of others before them stay to be told. */
  noted(before: number, last: number): void {
    if (before === this.#told) this.#told = last;
  }

  /** Calls `wake` after each look that finds a commit; answers the undo. */
  poll(clock: Clock, wake: () => void): () => void {
    let seen = this.#version();
    let cancel: () => void;
    const look = (): void => {
      const version = this.#version();
      if (version !== seen) this.#tellChanges();
      if (version !== seen) wake();
      seen = version;
      cancel = clock.after(this.#port.pollMs, look);
    };
    cancel = clock.after(this.#port.pollMs, look);
    return () => cancel();
  }

  /** Changes with every commit of whomever; `undefined` when it cannot be asked. */
  #version(): unknown {
    try {
      return this.#port.reader()?.pragma('data_version');
    } catch {
      return undefined;
    }
  }

  #tellChanges(): void {
    const reader = this.#port.reader();
    if (reader === undefined) return;
    try {
      const ranges = changesSince(reader, this.#told);
      this.#told = lastChange(reader);
      if (ranges.length > 0) this.#port.changed(ranges.toSorted((a, b) => a.from - b.from));
    } catch {
      // Told at the next look.
    }
  }
}
