import { join } from 'node:path';
import { Slice, TelltaleError, toError } from '../../lib/plugin.ts';
import type { StoredEvent, Turns } from '../../lib/plugin.ts';
import { DamagedIndex, FileIndex, readIndexHeader, writeIndex } from './file-index.ts';
import type { FileSystem, OpenFile } from './file-system.ts';
import { Replaced } from './handle-pool.ts';
import type { HandlePool } from './handle-pool.ts';
import { covering, decodeBlock } from './blocks.ts';
import { readHeader } from './header.ts';
import type { FoundHeader, SegmentHeader } from './header.ts';
import { readFully, removeIfThere } from './io.ts';
import { ENVELOPE_KEYS, KIND } from './key-index.ts';
import type { KeyIndex, Summary } from './key-index.ts';
import { NEWLINE, SEAL_AT, SEAL_BYTES, isIntact } from './line.ts';
import { MemoryIndex } from './memory-index.ts';
import { decodeContent } from './record.ts';
import type { Tombstone } from './record.ts';
import { scanInSlices } from './scan.ts';
import type { Scan } from './scan.ts';
import type { SectionCache } from './section-cache.ts';

/** What all segments of one log share. */
export interface SegmentContext {
  readonly fs: FileSystem;
  readonly folder: string;
  /** Indexed paths beside the envelope's keys. */
  readonly paths: readonly string[];
  readonly cache: SectionCache;
  readonly handles: HandlePool;
  readonly readOnly: boolean;
  /** Writing and deleting of index files, by path. */
  readonly indexTurns: Turns;
  readonly noticed: (notice: string) => void;
}

/** Enough to know a sealed segment without opening it. */
export interface SegmentFacts {
  readonly first: number;
  readonly uid: string;
  readonly count: number;
  /** Length of the file. */
  readonly bytes: number;
  /** Where the records begin, in offsets of the plain file. */
  readonly start: number;
  /** Where they end in the plain file; only of a compressed segment. */
  readonly raw?: number;
  readonly removals: number;
  readonly summary?: Summary;
}

export function segmentName(first: number, compressed = false): string {
  return `${String(first).padStart(16, '0')}.ndjson${compressed ? '.gz' : ''}`;
}

/** First position in a segment's file name; `undefined` for other files. */
export function firstOf(name: string): number | undefined {
  const digits = /^(\d{16})\.ndjson(?:\.gz)?$/.exec(name);
  return digits === null ? undefined : Number(digits[1]);
}

/**
 * One file of the log. Its records have consecutive positions from `first`; record 0 is the first. Reads open the file
 * when they need it. A segment that is rewritten becomes another `Segment`; reads of this one then throw `Replaced`.
 */
export class Segment {
  readonly first: number;
  readonly uid: string;
  readonly start: number;
  readonly path: string;
  readonly removals: number;
  /** Records that readers may see. */
  count: number;
  /** Where the last of them ends, in offsets of the plain file. */
  bytes: number;
  readonly compressed: boolean;
  readonly #fileBytes: number;
  #header: FoundHeader | undefined;
  readonly #context: SegmentContext;
  #summary: Summary | undefined;
  #index: KeyIndex | undefined;
  #loading: Promise<KeyIndex> | undefined;
  #isReleased = false;

  constructor(context: SegmentContext, facts: SegmentFacts, index?: MemoryIndex) {
    this.#context = context;
    this.first = facts.first;
    this.uid = facts.uid;
    this.start = facts.start;
    this.count = facts.count;
    this.bytes = facts.raw ?? facts.bytes;
    this.compressed = facts.raw !== undefined;
    this.#fileBytes = facts.bytes;
    this.removals = facts.removals;
    this.path = join(context.folder, segmentName(facts.first, this.compressed));
    this.#summary = facts.summary;
    this.#index = index;
  }

  /** Position of the last record; `first - 1` when there is none. */
  get last(): number {
    return this.first + this.count - 1;
  }

  get summary(): Summary | undefined {
    return this.#summary;
  }

  /** Length of the file. */
  get fileBytes(): number {
    return this.compressed ? this.#fileBytes : this.bytes;
  }

  facts(): SegmentFacts {
    const { first, uid, count, start, removals } = this;
    const summary = this.#summary && briefly(this.#summary);
    const facts = { first, uid, count, bytes: this.fileBytes, start, removals };
    return { ...facts, ...(this.compressed && { raw: this.bytes }), ...(summary === undefined ? {} : { summary }) };
  }

  /** Asks the index; one that turns out damaged is made again from the records. Throws `Replaced`. */
  async ask<T>(question: (index: KeyIndex) => Promise<T>): Promise<T> {
    const index = await this.#loadIndex();
    try {
      return await question(index);
    } catch (error) {
      if (!(error instanceof DamagedIndex)) throw error;
      // Others may have found it damaged as well, and have it made by now.
      if (this.#index === index) this.#index = undefined;
      return question(await this.#loadIndex(() => this.#rebuild()));
    }
  }

  /** Records `from` to `to`, inclusive numbers, or `only` those between; checksums checked. Throws `STORE_CORRUPT`. */
  async records(from: number, to: number, only?: readonly number[]): Promise<(StoredEvent | Tombstone)[]> {
    const offsets = await this.ask((index) => index.offsets());
    const start = offsets[from]!;
    const length = offsets[to + 1]! - start;
    const bytes = await this.read(start, start + length);
    const records: (StoredEvent | Tombstone)[] = [];
    const slice = new Slice();
    const count = only?.length ?? to - from + 1;
    for (let n = 0; n < count; n++) {
      const i = only?.[n] ?? from + n;
      records.push(this.decode(bytes, offsets[i]! - start, offsets[i + 1]! - start, i));
      if (slice.isOver) await slice.rest();
    }
    return records;
  }

  /** How many records are of removed events, and their bytes. */
  async gone(): Promise<readonly [records: number, bytes: number]> {
    if (this.removals === 0) return [0, 0];
    if (this.summary === undefined) await this.ask((index) => index.offsets());
    const all = [this.count, this.bytes - this.start] as const;
    return this.summary?.gone ?? (this.summary !== undefined && this.summary.time === undefined ? all : [0, 0]);
  }

  async header(): Promise<SegmentHeader> {
    return (await this.#use((file) => readHeader(file, this.path)))!.header;
  }

  /** The bytes between two offsets of the plain file, whichever form the segment has. Throws `STORE_CORRUPT`. */
  async read(start: number, end: number): Promise<Buffer> {
    if (!this.compressed) return this.#use((file) => readFully(file, start, end - start));
    return this.#use(async (file) => {
      // Kept, because it says where each block lies.
      const { header, at } = (this.#header ??= (await readHeader(file, this.path))!);
      const cover = covering(header.layout!, at, start, end);
      const packed = await readFully(
        file,
        cover.at,
        cover.lengths.reduce((sum, length) => sum + length, 0),
      );
      const raw = await this.#unpack(packed, cover);
      return raw.subarray(start - cover.raw, end - cover.raw);
    });
  }

  /** The line of record `number` in bytes that were read; throws `STORE_CORRUPT` unless it is as it was written. */
  decode(bytes: Buffer, start: number, end: number, number: number): StoredEvent | Tombstone {
    const position = this.first + number;
    const intact = end <= bytes.length && bytes[end - 1] === NEWLINE && isIntact(bytes, start, end - 1);
    const record = intact ? decodeContent(bytes, start, end - 1) : undefined;
    if (record?.position !== position) throw this.corrupt(start, position, 1);
    return record;
  }

  /** Whether no record can have a key of this hash; `undefined` when a file has to be asked, see `holdsNo`. */
  excludes(field: string, hash: number): boolean | undefined {
    return this.#index?.excludes(field, hash);
  }

  holdsNo(field: string, hash: number): Promise<boolean> {
    return this.ask(async (index) => {
      if (index.excludes(field, hash) === undefined) await index.prepare(field);
      return index.excludes(field, hash) === true;
    });
  }

  /** It was replaced: the index file beside it is another's from now on. */
  release(): void {
    this.#isReleased = true;
    if (this.#index instanceof FileIndex) this.#index.release();
  }

  /** Writes the index of what is in the segment by now. Throws `Replaced`. */
  saveIndex(index: MemoryIndex): Promise<void> {
    const { fs, indexTurns } = this.#context;
    return indexTurns.take(this.indexPath, async () => {
      await index.ready();
      const starts = index.starts();
      const at = index.count === 0 ? 0 : starts[index.count - 1]! + SEAL_AT;
      const seal = index.count === 0 ? Buffer.alloc(0) : await this.read(at, at + SEAL_BYTES);
      const covered = { uid: this.uid, end: index.end, seal: seal.toString('latin1') };
      this.#mustBeCurrent();
      await writeIndex(fs, this.indexPath, covered, index);
    });
  }

  /** Writes the index beside the segment and lets go of the one in memory. Throws `Replaced`. */
  async writeIndex(index: MemoryIndex): Promise<void> {
    const { fs, cache } = this.#context;
    await this.saveIndex(index);
    const found = await readIndexHeader(fs, this.indexPath, this.uid, []);
    if (found === undefined) return;
    this.#index = new FileIndex(fs, this.indexPath, found, cache);
    this.#summary = found.header.summary;
  }

  /** Deletes the index file of a segment that was replaced and has no successor of this name. */
  async eraseIndex(): Promise<void> {
    const { fs, indexTurns } = this.#context;
    await indexTurns.take(this.indexPath, () => removeIfThere(fs, this.indexPath));
  }

  corrupt(offset: number, position: number, count: number): TelltaleError {
    const message = `expected ${this.path} to be as it was written, found damage at byte ${offset}, position ${position}, ${count} records affected; salvage(folder, target) copies what is intact`;
    return new TelltaleError('STORE_CORRUPT', message, { details: { path: this.path, offset, position, count } });
  }

  get indexPath(): string {
    return this.path.replace(/\.ndjson(?:\.gz)?$/, '.index');
  }

  async #loadIndex(load = () => this.#load()): Promise<KeyIndex> {
    this.#mustBeCurrent();
    if (this.#index !== undefined) return this.#index;
    const loading = (this.#loading ??= load());
    try {
      this.#index = await loading;
    } finally {
      if (this.#loading === loading) this.#loading = undefined;
    }
    this.#summary ??= this.#index.summary;
    return this.#index;
  }

  #mustBeCurrent(): void {
    if (this.#isReleased) throw new Replaced(this.path);
  }

  async #load(): Promise<KeyIndex> {
    const { fs, cache, paths } = this.#context;
    const found = await readIndexHeader(fs, this.indexPath, this.uid, [...ENVELOPE_KEYS, KIND, 'times', ...paths]);
    // A process that died while it sealed the segment left a checkpoint of its beginning.
    if (found?.header.summary.count !== this.count) return this.#rebuild();
    return new FileIndex(fs, this.indexPath, found, cache);
  }

  async #rebuild(): Promise<KeyIndex> {
    const { bytes, scan } = await this.#all();
    const index = new MemoryIndex(this.#context.paths, this.start);
    const slice = new Slice();
    for (let i = 0; i < scan.count; i++) {
      index.add(decodeContent(bytes, scan.offsets[i]!, scan.offsets[i + 1]! - 1), this.start + scan.offsets[i + 1]!);
      if (slice.isOver) await slice.rest();
    }
    this.#summary ??= index.summarize();
    if (this.#context.readOnly) return index;
    try {
      await this.writeIndex(index);
    } catch (error) {
      if (error instanceof Replaced) throw error;
      // The index in memory answers as well.
      this.#context.noticed(`the index of ${this.path} could not be written: ${toError(error).message}`);
    }
    return this.#index ?? index;
  }

  /** All records' bytes, for rebuilding. Throws `STORE_CORRUPT` unless they are as they were sealed. */
  async #all(): Promise<{ readonly bytes: Buffer; readonly scan: Scan }> {
    const bytes = await this.read(this.start, this.bytes);
    const scan = await scanInSlices(bytes, 0, this.first);
    if (scan.count < this.count || scan.damage !== undefined) {
      const offset = this.start + (scan.damage?.offset ?? scan.tail?.offset ?? bytes.length);
      throw this.corrupt(offset, this.first + scan.count, this.count - scan.count);
    }
    return { bytes, scan };
  }

  async #unpack(packed: Buffer, cover: { readonly raw: number; readonly lengths: readonly number[] }): Promise<Buffer> {
    const contents: Buffer[] = [];
    let at = 0;
    for (let i = 0; i < cover.lengths.length; i += BLOCKS_AT_ONCE) {
      const blocks = cover.lengths.slice(i, i + BLOCKS_AT_ONCE).map((length) => packed.subarray(at, (at += length)));
      for (const content of await Promise.all(blocks.map(decodeBlock))) {
        if (content === undefined) throw this.corrupt(cover.raw, this.first, this.count);
        contents.push(content);
      }
    }
    return contents.length === 1 ? contents[0]! : Buffer.concat(contents);
  }

  #use<T>(work: (file: OpenFile) => Promise<T>): Promise<T> {
    return this.#context.handles.use(this.path, this.uid, work);
  }
}

/** A summary fit for the manifest: thousands of types would make a cache of it that is slower than none. */
function briefly(summary: Summary): Summary {
  const { types, ...rest } = summary;
  return types !== undefined && types.length <= MANIFEST_TYPES ? summary : rest;
}

const MANIFEST_TYPES = 256;
const BLOCKS_AT_ONCE = 16;
