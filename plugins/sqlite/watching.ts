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
  /** The file's version at the last look; the first is before the store reads its head. */
  #seen: unknown;

  constructor(port: WatchPort) {
    this.#port = port;
  }

  /** Changes from now on are told, and commits. */
  start(reader: Connection): void {
    this.#seen = this.#version();
    this.#told = lastChange(reader);
  }

  /** The changes between two serials are this process's own; those of others before them stay to be told. */
  noted(before: number, last: number): void {
    if (before === this.#told) this.#told = last;
  }

  /** Calls `wake` after each look that finds a commit; answers the undo. */
  poll(clock: Clock, wake: () => void): () => void {
    let cancel: () => void;
    const look = (): void => {
      const version = this.#version();
      if (version !== this.#seen) {
        // What could not be read is told at the next look.
        if (this.#tellChanges()) this.#seen = version;
        wake();
      }
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

  /** False where the file could not be read. */
  #tellChanges(): boolean {
    const reader = this.#port.reader();
    if (reader === undefined) return false;
    try {
      const { ranges, last } = changesSince(reader, this.#told);
      this.#told = last;
      if (ranges.length > 0) this.#port.changed(ranges);
      return true;
    } catch {
      return false;
    }
  }
}
