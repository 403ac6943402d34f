import { join } from 'node:path';
import { toError } from '../../lib/plugin.ts';
import type { Appender } from './appender.ts';
import { BLOCK_BYTES } from './blocks.ts';
import type { Log } from './log.ts';
import { Segment, segmentName } from './segment.ts';
import { writeCompressed } from './segment-writer.ts';
import { swapSegments } from './swap.ts';

/**
 * Packs sealed segments, oldest first, one at a time and beside everything else: the packing itself runs on other
 * threads. A segment that cannot be packed stays as it is until the next opening.
 */
export class Compressor {
  readonly #log: Log;
  readonly #appender: Appender;
  readonly #done: () => Promise<void>;
  readonly #failed = new Set<string>();
  #running: Promise<void> | undefined;
  #closed = false;

  /** `done` is called when a segment was packed. */
  constructor(log: Log, appender: Appender, done: () => Promise<void>) {
    this.#log = log;
    this.#appender = appender;
    this.#done = done;
  }

  /** Packs what can be packed, unless that is going on. */
  wake(): void {
    if (!this.#closed) this.#running ??= this.#run().finally(() => (this.#running = undefined));
  }

  /** Gives up the segment that is being packed; nothing of the log has changed by then. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
  }

  /** Resolves when nothing is left to pack. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  async #run(): Promise<void> {
    for (let first = this.#next(); first !== undefined && !this.#closed; first = this.#next()) await this.#pack(first);
  }

  #next(): number | undefined {
    const sealed = this.#log.segments.slice(0, -1);
    return sealed.find(({ compressed, count, uid }) => !compressed && count > 0 && !this.#failed.has(uid))?.first;
  }

  async #pack(first: number): Promise<void> {
    try {
      await this.#log.maintain(() => this.#replace(this.#log.segmentAt(first)));
    } catch (error) {
      if (this.#closed) return;
      const { uid, path } = this.#log.segmentAt(first);
      this.#failed.add(uid);
      this.#appender.notice(`${path} could not be compressed: ${toError(error).message}`);
    }
  }

  /** The uid and the offsets stay, and with them the index. */
  async #replace(segment: Segment): Promise<void> {
    if (segment.compressed) return;
    const { context } = this.#log;
    await this.#appender.settled();
    const path = join(context.folder, segmentName(segment.first, true));
    const header = await segment.header();
    const { bytes, end } = await this.#appender.guard(() =>
      writeCompressed(context.fs, path, header, this.#lines(segment), segment.start),
    );
    const after = new Segment(context, { ...segment.facts(), bytes, raw: end });
    await swapSegments({ log: this.#log, appender: this.#appender }, [segment], after);
    await this.#done();
  }

  /** Pieces of whole lines. */
  async *#lines(segment: Segment): AsyncGenerator<Buffer> {
    const offsets = await segment.ask((index) => index.offsets());
    for (let from = 0; from < segment.count;) {
      if (this.#closed) throw new Error('the store is being closed');
      let to = from + 1;
      while (to < segment.count && offsets[to]! - offsets[from]! < BLOCK_BYTES) to++;
      yield await segment.read(offsets[from]!, offsets[to]!);
      from = to;
    }
  }
}
