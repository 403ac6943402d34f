import { expected } from '../errors.ts';
import type { Head } from './port.ts';

export interface SyncPort {
  head(): Promise<Head>;
  sync(): Promise<void>;
  /** Runs while no commit is in flight. */
  exclusive(step: () => Promise<void>): Promise<void>;
}

/** How far a log is synced, and what brings it further. */
export class Syncing {
  readonly #port: SyncPort;
  #to = 0;

  constructor(port: SyncPort) {
    this.#port = port;
  }

  /** Nothing is known of a log that was just opened. */
  start(): void {
    this.#to = 0;
  }

  now(): Promise<void> {
    return this.#port.exclusive(async () => {
      const { position } = await this.#port.head();
      await this.#port.sync();
      this.#to = position;
    });
  }

  /** Resolves when the log is synced up to a position. Throws `INVALID_OPTION` for one that is not there. */
  async upTo(position: number): Promise<void> {
    if (position <= this.#to) return;
    await this.now();
    if (position <= this.#to) return;
    throw expected('INVALID_OPTION', '`position`', `at most the head, ${this.#to}`, position);
  }
}
