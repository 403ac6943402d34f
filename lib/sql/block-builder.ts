import type { Clock } from '../clock.ts';
import { isTelltaleError } from '../errors.ts';
import { BLOCK_POSITIONS } from './text-blocks.ts';

/** Blocks that are asked for at once. */
const STRETCH = 1_024;
/** Where more fail, it is not for the blocks. */
const MOST_LEFT_OUT = 32;
const PAUSE_MS = 250;
/** What cannot be written for good is read again this often. */
const LONGEST_PAUSE_MS = 300_000;

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
 * Failure: a block that cannot be written is left out, so that the others go on; where the log itself cannot be asked, or
 * does not take anything now, all wait. Whatever is left, also to another process, is tried again after a pause, each
 * time a longer one, and told in `notices` until it is written. A block that is not written costs searches time, and
 * nothing else.
 */
export class BlockBuilder {
  readonly #store: BlockStore;
  readonly #clock: Clock;
  /** In rising order. */
  readonly #leftOut = new Set<number>();
  /** Why they are left out. */
  #told: string[] = [];
  /** Why the last run ended early. */
  #failure: string | undefined;
  #running: Promise<void> | undefined;
  #blocks = -1;
  /** Blocks below it were written, or left out, when the log had `#changes`. */
  #mark = 0;
  #changes = -1;
  #isAskedAgain = false;
  #isStopped = false;
  /** What is left out is tried again. */
  #isDue = false;
  #pauseMs = PAUSE_MS;
  #endPause: (() => void) | undefined;

  constructor(store: BlockStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** What could not be done. */
  get notices(): readonly string[] {
    return this.#failure === undefined ? this.#told : [...this.#told, this.#failure];
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
    this.#running ??= this.#run();
  }

  /** Resolves when nothing is under way; a pause is not waited for. */
  async idle(): Promise<void> {
    await this.#running;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#endPause?.();
    await this.#running;
  }

  async #run(): Promise<void> {
    // Looked at in the turn in which it ends, so that no look comes between.
    while (this.#isAskedAgain && !this.#isStopped) await this.#round();
    this.#running = undefined;
  }

  async #round(): Promise<void> {
    let isWhole = false;
    try {
      for (let log = await this.#asked(); log !== undefined; log = await this.#asked()) isWhole = await this.#fill(log);
      this.#failure = undefined;
    } catch (error) {
      isWhole = false;
      this.#failure = noticeOf('', error);
    }
    if (isWhole && this.#leftOut.size === 0) this.#rest();
    else this.#pause();
  }

  /** Nothing is left. */
  #rest(): void {
    this.#endPause?.();
    this.#endPause = undefined;
    this.#pauseMs = PAUSE_MS;
  }

  #pause(): void {
    if (this.#isStopped || this.#endPause !== undefined) return;
    this.#endPause = this.#clock.after(this.#pauseMs, () => {
      this.#endPause = undefined;
      this.#isDue = true;
      this.look();
    });
    this.#pauseMs = Math.min(LONGEST_PAUSE_MS, this.#pauseMs * 2);
  }

  #tryAgain(from: number): void {
    this.#mark = Math.min(this.#mark, from);
    this.#leftOut.clear();
    this.#told = [];
  }

  /** The log, where there is something new in it. */
  async #asked(): Promise<BlockLog | undefined> {
    if (this.#isStopped) return undefined;
    const isAsked = this.#isAskedAgain;
    this.#isAskedAgain = false;
    const log = await this.#store.log();
    if (!isAsked && log.changes === this.#changes) return undefined;
    const [lowest] = this.#leftOut;
    if (log.changes !== this.#changes) this.#tryAgain(0);
    else if (this.#isDue && lowest !== undefined) this.#tryAgain(lowest);
    this.#isDue = false;
    this.#changes = log.changes;
    return log;
  }

  /** Answers whether all was tried. */
  async #fill({ position }: BlockLog): Promise<boolean> {
    const end = Math.floor(position / BLOCK_POSITIONS);
    while (this.#mark < end) {
      const next = Math.min(end, this.#mark + STRETCH);
      const written = new Set(await this.#store.written(this.#mark, next - 1));
      for (let block = this.#mark; block < next; block++) {
        if (written.has(block) || this.#leftOut.has(block)) continue;
        if (this.#isStopped || !(await this.#write(block))) return false;
        await new Promise((resolve) => setImmediate(resolve));
      }
      this.#mark = next;
    }
    return true;
  }

  async #write(block: number): Promise<boolean> {
    try {
      return await this.#store.write(block);
    } catch (error) {
      if (isTelltaleError(error, 'STORE_UNAVAILABLE')) throw error;
      // Where nothing can be asked at all, this throws, and the block is not to blame.
      await this.#store.log();
      if (this.#leftOut.size === MOST_LEFT_OUT) throw error;
      this.#leftOut.add(block);
      const which = ` for positions ${block * BLOCK_POSITIONS + 1} to ${(block + 1) * BLOCK_POSITIONS}`;
      this.#told.push(noticeOf(which, error));
      return true;
    }
  }
}

function noticeOf(which: string, error: unknown): string {
  return `the index of texts could not be written${which}: ${String(error)}`;
}
