import { join } from 'node:path';
import { TelltaleError } from '../../lib/plugin.ts';
import type { StoredEvent } from '../../lib/plugin.ts';
import { DamagedIndex, FileIndex, readIndexHeader, writeIndex } from './file-index.ts';
import type { FileSystem, OpenFile } from './file-system.ts';
import type { HandlePool } from './handle-pool.ts';
import { readHeader } from './header.ts';
import type { SegmentHeader } from './header.ts';
import { readFully, readRest } from './io.ts';
import { ENVELOPE_KEYS } from './key-index.ts';
import type { KeyIndex, Summary } from './key-index.ts';
import { NEWLINE, SEAL_AT, SEAL_BYTES, isIntact } from './line.ts';
import { MemoryIndex } from './memory-index.ts';
import { decodeContent } from './record.ts';
import type { Tombstone } from './record.ts';
import { scanRecords } from './scan.ts';
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
}

/** Enough to know a sealed segment without opening it. */
export interface SegmentFacts {
  readonly first: number;
  readonly uid: string;
  readonly count: number;
  readonly bytes: number;
  /** Length of the header line. */
  readonly start: number;
  readonly removals: number;
  readonly summary?: Summary;
}

export function segmentName(first: number): string {
  return `${String(first).padStart(16, '0')}.ndjson`;
}

/** First position in a segment's file name; `undefined` for other files. */
export function firstOf(name: string): number | undefined {
  const digits = /^(\d{16})\.ndjson$/.exec(name);
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
  /** Where the last of them ends. */
  bytes: number;
  readonly #context: SegmentContext;
  #summary: Summary | undefined;
  #index: KeyIndex | undefined;
  #loading: Promise<KeyIndex> | undefined;

  constructor(context: SegmentContext, facts: SegmentFacts, index?: MemoryIndex) {
    this.#context = context;
    this.first = facts.first;
    this.uid = facts.uid;
    this.start = facts.start;
    this.count = facts.count;
    this.bytes = facts.bytes;
    this.removals = facts.removals;
    this.path = join(context.folder, segmentName(facts.first));
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

  facts(): SegmentFacts {
    const { first, uid, count, bytes, start, removals } = this;
    const summary = this.#summary && briefly(this.#summary);
    return { first, uid, count, bytes, start, removals, ...(summary === undefined ? {} : { summary }) };
  }

  /** Asks the index; one that turns out damaged is made again from the records. */
  async ask<T>(question: (index: KeyIndex) => Promise<T>): Promise<T> {
    try {
      return await question(await this.#loadIndex());
    } catch (error) {
      if (!(error instanceof DamagedIndex)) throw error;
      this.#index = undefined;
      this.#loading = this.#rebuild();
      return question(await this.#loadIndex());
    }
  }

  /** Records `from` to `to`, inclusive numbers, checksums checked. Throws `STORE_CORRUPT`. */
  async records(from: number, to: number): Promise<(StoredEvent | Tombstone)[]> {
    const offsets = await this.ask((index) => index.offsets());
    const start = offsets[from]!;
    const length = offsets[to + 1]! - start;
    const bytes = await this.#use((file) => readFully(file, start, length));
    const records: (StoredEvent | Tombstone)[] = [];
    for (let i = from; i <= to; i++) records.push(this.#decode(bytes, offsets[i]! - start, offsets[i + 1]! - start, i));
    return records;
  }

  async header(): Promise<SegmentHeader> {
    return this.#use(async (file) => (await readHeader(file, this.path))!.header);
  }

  /** Everything in the file, for rebuilding. Throws `STORE_CORRUPT` unless it is as it was sealed. */
  async all(): Promise<{ readonly bytes: Buffer; readonly scan: Scan }> {
    const bytes = await this.#use((file) => readRest(file));
    const scan = scanRecords(bytes, this.start, this.first);
    if (scan.count < this.count || scan.damage !== undefined) {
      const offset = scan.damage?.offset ?? scan.tail?.offset ?? bytes.length;
      throw this.corrupt(offset, this.first + scan.count, this.count - scan.count);
    }
    return { bytes, scan };
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

  /** It was replaced. */
  release(): void {
    if (this.#index instanceof FileIndex) this.#index.release();
  }

  /** Writes the index of what is in the segment by now. */
  async saveIndex(index: MemoryIndex): Promise<void> {
    await index.ready();
    const starts = index.starts();
    const seal =
      index.count === 0
        ? Buffer.alloc(0)
        : await this.#use((file) => readFully(file, starts[index.count - 1]! + SEAL_AT, SEAL_BYTES));
    const covered = { uid: this.uid, end: index.end, seal: seal.toString('latin1') };
    await writeIndex(this.#context.fs, this.indexPath, covered, index);
  }

  /** Writes the index beside the segment and lets go of the one in memory. */
  async writeIndex(index: MemoryIndex): Promise<void> {
    const { fs, cache } = this.#context;
    await this.saveIndex(index);
    const found = await readIndexHeader(fs, this.indexPath, this.uid, []);
    if (found === undefined) return;
    this.#index = new FileIndex(fs, this.indexPath, found, cache);
    this.#summary = found.header.summary;
  }

  corrupt(offset: number, position: number, count: number): TelltaleError {
    const message = `expected ${this.path} to be as it was written, found damage at byte ${offset}, position ${position}, ${count} records affected; salvage(folder, target) copies what is intact`;
    return new TelltaleError('STORE_CORRUPT', message, { details: { path: this.path, offset, position, count } });
  }

  get indexPath(): string {
    return this.path.replace(/\.ndjson$/, '.index');
  }

  async #loadIndex(): Promise<KeyIndex> {
    if (this.#index !== undefined) return this.#index;
    this.#loading ??= this.#load();
    try {
      this.#index = await this.#loading;
    } finally {
      this.#loading = undefined;
    }
    this.#summary ??= this.#index.summary;
    return this.#index;
  }

  async #load(): Promise<KeyIndex> {
    const { fs, cache, paths } = this.#context;
    const found = await readIndexHeader(fs, this.indexPath, this.uid, [...ENVELOPE_KEYS, ...paths]);
    // A process that died while it sealed the segment left a checkpoint of its beginning.
    if (found?.header.summary.count !== this.count) return this.#rebuild();
    return new FileIndex(fs, this.indexPath, found, cache);
  }

  async #rebuild(): Promise<KeyIndex> {
    const { bytes, scan } = await this.all();
    const index = new MemoryIndex(this.#context.paths, this.start);
    for (const record of decodeAll(bytes, scan)) index.add(record, scan.offsets[index.count + 1]!);
    if (this.#context.readOnly) return index;
    await this.writeIndex(index);
    return this.#index ?? index;
  }

  #decode(bytes: Buffer, start: number, end: number, number: number): StoredEvent | Tombstone {
    const position = this.first + number;
    const intact = end <= bytes.length && bytes[end - 1] === NEWLINE && isIntact(bytes, start, end - 1);
    const record = intact ? decodeContent(bytes, start, end - 1) : undefined;
    if (record?.position !== position) throw this.corrupt(start, position, 1);
    return record;
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

export function decodeAll(bytes: Buffer, scan: Scan): (StoredEvent | Tombstone)[] {
  const records: (StoredEvent | Tombstone)[] = [];
  for (let i = 0; i < scan.count; i++) {
    records.push(decodeContent(bytes, scan.offsets[i]!, scan.offsets[i + 1]! - 1));
  }
  return records;
}
