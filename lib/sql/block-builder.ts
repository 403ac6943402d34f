import { BLOCK_POSITIONS } from './text-blocks.ts';

/** What a store does for its blocks. */
export interface BlockStore {
  /** The highest position that is committed, with everything below it. */
  head(): Promise<number>;
  /** How many blocks below this one are written. */
  countBelow(block: number): Promise<number>;
  /** Writes a block. False where it cannot be done now: it is tried again after the next call of `look`. */
  write(block: number): Promise<boolean>;
}

/**
 * Writes the blocks that are missing, the lowest first, one at a time and in the background. What fails is told and
 * tried again later: a block that is not written costs searches time, and nothing else.
 */
export class BlockBuilder {
  readonly #store: BlockStore;
  readonly #failed: (error: unknown) => void;
  #running: Promise<void> | undefined;
  #blocks = -1;
  #isAskedAgain = false;
  #isStopped = false;

  constructor(store: BlockStore, failed: (error: unknown) => void) {
    this.#store = store;
    this.#failed = failed;
  }

  /** The log has grown. */
  reached(position: number): void {
    const blocks = Math.floor(position / BLOCK_POSITIONS);
    if (blocks === this.#blocks) return;
    this.#blocks = blocks;
    this.look();
  }

  /** The log has changed. */
  look(): void {
    this.#isAskedAgain = true;
    if (this.#isStopped) return;
    this.#running ??= this.#run().finally(() => (this.#running = undefined));
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    await this.#running;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    try {
      while (this.#isAskedAgain && !this.#isStopped) {
        this.#isAskedAgain = false;
        await this.#fill();
      }
    } catch (error) {
      this.#failed(error);
    }
  }

  async #fill(): Promise<void> {
    const blocks = Math.floor((await this.#store.head()) / BLOCK_POSITIONS);
    for (let next = await this.#gap(0, blocks); next < blocks; next = await this.#gap(next, blocks)) {
      if (this.#isStopped || !(await this.#store.write(next))) return;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** The lowest block from `low` that is not written; `high` where all below it are. */
  async #gap(low: number, high: number): Promise<number> {
    if ((await this.#store.countBelow(high)) === high) return high;
    for (let end = high; low < end;) {
      const middle = Math.floor((low + end) / 2);
      if ((await this.#store.countBelow(middle + 1)) === middle + 1) low = middle + 1;
      else end = middle;
    }
    return low;
  }
}
