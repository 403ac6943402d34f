import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { TelltaleError, toError } from '../../lib/plugin.ts';
import type { Clock, RemovedRange, StoredEvent, Tombstone } from '../../lib/plugin.ts';
import type { OpenFile } from './file-system.ts';
import { encodeHeader } from './header.ts';
import { SyncFailure, mustSync, replaceFile, writeFully } from './io.ts';
import type { Log } from './log.ts';
import { MemoryIndex } from './memory-index.ts';
import { CommitText, LineBuffer, eventJson, isEvent, tombstoneJson } from './record.ts';
import { Segment, segmentName } from './segment.ts';

/** Fewer records are read again more quickly than their index is written. */
const CHECKPOINT_EVENTS = 1_024;

/** Distinguishes one content of a segment from the next. */
export function newUid(): string {
  return randomBytes(9).toString('base64url');
}

/** Records of another log, with their positions and times: a segment begins with all of them, or is not there. */
export interface Taken {
  readonly records: readonly (StoredEvent | Tombstone)[];
  /** `storedAt` of what was before the segment. @default the head's */
  readonly storedAt?: number;
}

const NOTHING: Taken = { records: [] };

export interface AppenderOptions {
  readonly durability: 'disk' | 'os';
  readonly segmentBytes: number;
  readonly segmentEvents: number;
  /** Called when a segment was sealed and its index is beside it. */
  readonly sealed: () => Promise<void>;
  readonly noticed: (notice: string) => void;
}

/**
 * Writes group commits behind the active segment, one buffer and one sync each.
 *
 * Failure: a write that fails is cut off again at the last good byte, so that the next one may go on where it was; a
 * sync that fails, or a cut that fails, stops the appender for good. Nothing is ever synced a second time in the hope
 * that it works then: the kernel may have dropped the pages and would say yes.
 */
export class Appender {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #options: AppenderOptions;
  readonly #lines = new LineBuffer();
  #file: OpenFile | undefined;
  #failure: TelltaleError | undefined;
  /** Index files being written behind the log's back; one at a time. */
  #sealing: Promise<void> = Promise.resolve();

  constructor(log: Log, clock: Clock, options: AppenderOptions) {
    this.#log = log;
    this.#clock = clock;
    this.#options = options;
  }

  /** Set after fail-stop. */
  get failure(): TelltaleError | undefined {
    return this.#failure;
  }

  /** Takes over the active segment. */
  async open(): Promise<void> {
    this.#file = await this.#log.context.fs.open(this.#log.active!.path, 'update');
  }

  async close(): Promise<void> {
    await this.#sealing;
    await this.#saveCheckpoint();
    await this.#file?.close();
    this.#file = undefined;
  }

  async append(records: readonly StoredEvent[], sizes: readonly number[]): Promise<void> {
    this.mustWork();
    this.#encode(records, sizes);
    if (this.#isFull(records.length)) await this.startSegment(this.#log.head.position + 1, []);
    const segment = this.#log.active!;
    const bytes = this.#lines.bytes();
    await this.#write(bytes, segment.bytes);
    if (this.#options.durability === 'disk') await this.#sync(segment.path, this.#file!);
    this.#admit(segment, records, bytes);
  }

  async sync(): Promise<void> {
    this.mustWork();
    const segment = this.#log.active;
    if (segment !== undefined) await this.#sync(segment.path, this.#file!);
  }

  /**
   * Seals the active segment and begins the next one at `first`. `removed` says why positions are missing before it, or
   * what was removed from the records that it begins with.
   */
  async startSegment(first: number, removed: readonly RemovedRange[], taken: Taken = NOTHING): Promise<void> {
    this.mustWork();
    const before = this.#log.active;
    const empty = before?.first === first ? before : undefined;
    if (before !== undefined && this.#file !== undefined) await this.#sync(before.path, this.#file);
    // One index at a time: appends that outrun the indexes must not pile them up.
    await this.#sealing;
    const { context, head } = this.#log;
    const { storedAt = head.storedAt, records } = taken;
    const all = empty === undefined ? removed : [...(await empty.header()).removed, ...removed];
    const header = { first, uid: newUid(), created: this.#clock.now(), storedAt, removed: all };
    const bytes = encodeHeader(header);
    const path = join(context.folder, segmentName(first));
    const file = await this.#create(path, [bytes, ...this.#encodeTaken(records)]);
    // It is synced: a failing close loses nothing.
    await this.#file?.close().catch(() => undefined);
    this.#file = file;
    this.#push(
      { first, uid: header.uid, removals: all.length },
      bytes.length,
      empty === undefined ? before : undefined,
    );
    if (records.length > 0) this.#admit(this.#log.active!, records, this.#lines.bytes());
  }

  /** Waits for index files that are being written. */
  settled(): Promise<void> {
    return this.#sealing;
  }

  /** Runs what must not overlap the writing of an index or of the manifest; a failed sync in it stops the store. */
  alone<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#sealing.then(() => this.guard(work));
    this.#sealing = turn.then(
      () => undefined,
      () => undefined,
    );
    return turn;
  }

  notice(notice: string): void {
    this.#options.noticed(notice);
  }

  mustWork(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Runs what writes; a failed sync in it stops the store. */
  async guard<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw error instanceof SyncFailure ? this.#stop(error) : error;
    }
  }

  /** Once the next segment is there, a record behind the one before it would be read by nobody: on, or not at all. */
  async #create(path: string, content: readonly Buffer[]): Promise<OpenFile> {
    const { fs } = this.#log.context;
    try {
      await replaceFile(fs, path, content);
      return await fs.open(path, 'update');
    } catch (error) {
      const mayBeThere = await fs.facts(path).then(
        (facts) => facts !== undefined,
        () => true,
      );
      throw mayBeThere || error instanceof SyncFailure ? this.#stop(toError(error)) : error;
    }
  }

  #encode(records: readonly StoredEvent[], sizes: readonly number[]): void {
    this.#lines.reset();
    const commit = records[0]!.position;
    const end = commit + records.length - 1;
    const text = new CommitText(commit, end, records[0]!.storedAt);
    let next = 0;
    for (const size of sizes) {
      for (let rest = size - 1; rest >= 0; rest--) {
        this.#lines.add(text.line(records[next++]!, rest));
      }
    }
  }

  /** None leave the buffer alone: an append that begins a segment has its lines in it. */
  #encodeTaken(records: readonly (StoredEvent | Tombstone)[]): readonly Buffer[] {
    if (records.length === 0) return [];
    this.#lines.reset();
    const [commit, end] = [records[0]!.position, records[records.length - 1]!.position];
    for (const record of records) {
      const marks = { position: record.position, commit, end, rest: 0 };
      this.#lines.add((isEvent(record) ? eventJson(record, marks) : tombstoneJson(record, marks)).slice(1));
    }
    return [this.#lines.bytes()];
  }

  #isFull(added: number): boolean {
    const segment = this.#log.active!;
    if (segment.count === 0) return false;
    const { segmentBytes, segmentEvents } = this.#options;
    return segment.count + added > segmentEvents || segment.bytes + this.#lines.length > segmentBytes;
  }

  async #write(bytes: Buffer, position: number): Promise<void> {
    try {
      await writeFully(this.#file!, bytes, position);
    } catch (cause) {
      await this.#cutBack(position, toError(cause));
      throw cause;
    }
  }

  /** Half a commit must not stay: the next one would glue to it. */
  async #cutBack(position: number, cause: Error): Promise<void> {
    try {
      await this.#file!.truncate(position);
    } catch (error) {
      throw this.#stop(
        new AggregateError([cause, error], `a failed write could not be cut off: ${toError(error).message}`),
      );
    }
  }

  #sync(path: string, file: OpenFile): Promise<void> {
    return this.guard(() => mustSync(path, () => file.datasync()));
  }

  #admit(segment: Segment, records: readonly (StoredEvent | Tombstone)[], bytes: Buffer): void {
    const index = this.#log.activeIndex;
    let at = 0;
    for (const record of records) {
      at = bytes.indexOf(10, at) + 1;
      index.add(record, segment.bytes + at);
      if (record.entity !== undefined) this.#log.remember(record.entity, record.revision);
    }
    segment.count += records.length;
    segment.bytes += bytes.length;
    const { position, storedAt } = records[records.length - 1]!;
    this.#log.moveHead({ position, storedAt });
  }

  #push(facts: { first: number; uid: string; removals: number }, start: number, before: Segment | undefined): void {
    const { context, activeIndex } = this.#log;
    const index = new MemoryIndex(context.paths, start);
    const segment = new Segment(context, { ...facts, count: 0, bytes: start, start }, index);
    this.#log.push(segment, index);
    if (before === undefined) return;
    // The old index answers until the new one is beside the segment, so this may take its time; one at a time.
    this.#sealing = this.#sealing.then(() => this.#writeIndex(before, activeIndex));
  }

  /** The first look-up after the next opening reads this, or else the records. */
  async #saveCheckpoint(): Promise<void> {
    const { active, activeIndex } = this.#log;
    if (this.#failure !== undefined || this.#file === undefined || activeIndex.unsaved < CHECKPOINT_EVENTS) return;
    await active!.saveIndex(activeIndex).catch(() => undefined);
  }

  /** A missing index is made again when it is asked for, so a failure here is only told. */
  async #writeIndex(segment: Segment, index: MemoryIndex): Promise<void> {
    try {
      await this.guard(() => segment.writeIndex(index));
      await this.#options.sealed();
    } catch (error) {
      this.#options.noticed(`the index of ${segment.path} could not be written: ${toError(error).message}`);
    }
  }

  #stop(cause: Error): TelltaleError {
    const message = `the log stopped: ${cause.message}. Nothing more is acknowledged; restart the process`;
    this.#failure ??= new TelltaleError('STORE_FAILED', message, { cause });
    return this.#failure;
  }
}
