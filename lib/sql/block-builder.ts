import { isTelltaleError } from '../errors.ts';
import { BLOCK_POSITIONS } from './text-blocks.ts';

/** Blocks that are asked for at once. */
const STRETCH = 1_024;
const MOST_TOLD = 32;

/** The log as its blocks see it. */
export interface BlockLog {
  /** The highest position that is committed, with everything below it. */
  readonly position: number;
  /** Another one after each removal and rewrite, which take out blocks. */
  readonly changes: number;
}

/** What a store does for its blocks. */
export interface BlockStore {
  log(): Promise<BlockLog>;
  /** Which blocks between two, both included, are written. */
  written(first: number, last: number): Promise<readonly number[]>;
  /**
   * Writes a block. False where it cannot be done now, because another process is at it or the log has changed
   * meanwhile.
   */
  write(block: number): Promise<boolean>;
}

/**
 * Writes the blocks that are missing, the lowest first, one at a time and in the background.
 *
 * Failure: each is told once. A block that cannot be written is left out until the log changes or is opened again; where
 * the log itself cannot be asked, or does not take anything now, all is tried again after the next `look`. A block that
 * is not written costs searches time, and nothing else.
 */
export class BlockBuilder {
  /** What could not be done. */
  readonly notices: string[];
  readonly #store: BlockStore;
  readonly #told = new Set<string>();
  readonly #leftOut = new Set<number>();
  #running: Promise<void> | undefined;
  #blocks = -1;
  /** Blocks below it were written, or left out, when the log had `#changes`. */
  #mark = 0;
  #changes = -1;
  #isAskedAgain = false;
  #isStopped = false;

  constructor(store: BlockStore, notices: string[] = []) {
    this.#store = store;
    this.notices = notices;
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
      for (let log = await this.#asked(); log !== undefined; log = await this.#asked()) await this.#fill(log);
    } catch (error) {
      this.#failed('', error);
    }
  }

  /** The log, where there is something new in it. */
  async #asked(): Promise<BlockLog | undefined> {
    if (this.#isStopped) return undefined;
    const isAsked = this.#isAskedAgain;
    this.#isAskedAgain = false;
    const log = await this.#store.log();
    if (!isAsked && log.changes === this.#changes) return undefined;
    if (log.changes !== this.#changes) this.#leftOut.clear();
    if (log.changes !== this.#changes) this.#mark = 0;
    this.#changes = log.changes;
    return log;
  }

  async #fill({ position }: BlockLog): Promise<void> {
    const end = Math.floor(position / BLOCK_POSITIONS);
    while (this.#mark < end) {
      const next = Math.min(end, this.#mark + STRETCH);
      const written = new Set(await this.#store.written(this.#mark, next - 1));
      for (let block = this.#mark; block < next; block++) {
        if (written.has(block) || this.#leftOut.has(block)) continue;
        if (this.#isStopped || !(await this.#write(block))) return;
        await new Promise((resolve) => setImmediate(resolve));
      }
      this.#mark = next;
    }
  }

  async #write(block: number): Promise<boolean> {
    try {
      return await this.#store.write(block);
    } catch (error) {
      if (isTelltaleError(error, 'STORE_UNAVAILABLE')) throw error;
      // Where nothing can be asked at all, this throws, and the block is not to blame.
      await this.#store.log();
      this.#leftOut.add(block);
      this.#failed(` for positions ${block * BLOCK_POSITIONS + 1} to ${(block + 1) * BLOCK_POSITIONS}`, error);
      return true;
    }
  }

  #failed(what: string, error: unknown): void {
    const notice = `the index of texts could not be written${what}: ${String(error)}`;
    if (this.#told.size >= MOST_TOLD || this.#told.has(notice)) return;
    this.#told.add(notice);
    this.notices.push(notice);
  }
}
