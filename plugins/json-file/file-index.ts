import { crc32 } from 'node:zlib';
import { errorCode } from './file-system.ts';
import type { FileSystem, OpenFile } from './file-system.ts';
import { readFully, replaceFile } from './io.ts';
import { ENVELOPE_KEYS, NO_TYPE, hashKey, within } from './key-index.ts';
import type { KeyIndex, Summary } from './key-index.ts';
import { NEWLINE, decodeLine, encodeLine } from './line.ts';
import type { KnownKeys, MemoryIndex } from './memory-index.ts';
import type { SectionCache } from './section-cache.ts';
import { findKey, mayHold, toFilter } from './sections.ts';

/**
 * Index of a segment: a line of JSON that says what follows, then sections of 32-bit little-endian numbers, see
 * sections.ts. `offsets`: where each record starts, and where the last ends. A key field: its section; with `?` behind
 * the name, its filter. `types`: the number of each record's type. `times`: their times, doubles. Sections are read when asked for and kept in a
 * bounded cache; filters stay in memory as far as there is an allowance for them.
 *
 * Beside a sealed segment it covers all records. Beside the active one it is a checkpoint of the first of them.
 */
export interface IndexHeader {
  readonly uid: string;
  /** Where the last record ends, and its checksum: whether the segment still begins with what was indexed. */
  readonly end: number;
  readonly seal: string;
  readonly summary: Summary;
  readonly sections: readonly Section[];
}

interface Section {
  readonly name: string;
  /** Behind the header line. */
  readonly at: number;
  readonly words: number;
  readonly crc: number;
}

const HEADER_BYTES = 16 * 1024;

/** What an index file says of the content it covers. */
export type Covered = Pick<IndexHeader, 'uid' | 'end' | 'seal'>;

export async function writeIndex(fs: FileSystem, path: string, covered: Covered, index: MemoryIndex): Promise<void> {
  const parts: Buffer[] = [];
  const sections: Section[] = [];
  let at = 0;
  const add = (name: string, words: Uint32Array): void => {
    const bytes = Buffer.from(words.buffer, words.byteOffset, words.byteLength);
    sections.push({ name, at, words: words.length, crc: crc32(bytes) });
    parts.push(bytes);
    at += bytes.length;
  };
  add('offsets', Uint32Array.from(index.starts()));
  add('types', Uint32Array.from(index.typeNumbers()));
  add('times', new Uint32Array(Float64Array.from(index.times()).buffer));
  for (const field of index.fields) {
    // Each section costs some ms: let the event loop turn in between.
    await new Promise((resolve) => setImmediate(resolve));
    const section = index.section(field);
    add(field, section);
    if (!isFiltered(field)) continue;
    await new Promise((resolve) => setImmediate(resolve));
    add(`${field}?`, toFilter(section));
  }
  const header = { ...covered, summary: index.summarize(), sections };
  await replaceFile(fs, path, [encodeLine(JSON.stringify({ index: 1, ...header })), ...parts]);
}

function isFiltered(field: string): boolean {
  return (ENVELOPE_KEYS as readonly string[]).includes(field);
}

/** An index file's header, and the length of its line. */
export interface FoundIndex {
  readonly header: IndexHeader;
  readonly bytes: number;
}

/** The index file's header; `undefined` when there is none that fits the segment and has all fields. */
export async function readIndexHeader(
  fs: FileSystem,
  path: string,
  uid: string,
  fields: readonly string[],
): Promise<FoundIndex | undefined> {
  const file = await openIfThere(fs, path);
  if (file === undefined) return undefined;
  try {
    let bytes = await readFully(file, 0, HEADER_BYTES);
    if (!bytes.includes(NEWLINE)) bytes = await readFully(file, 0, await file.size());
    const header = decodeLine(bytes) as IndexHeader | undefined;
    if (header?.uid !== uid) return undefined;
    const names = new Set(header.sections.map(({ name }) => name));
    if (!fields.every((field) => names.has(field) && (!isFiltered(field) || names.has(`${field}?`)))) return undefined;
    return { header, bytes: bytes.indexOf(NEWLINE) + 1 };
  } finally {
    await file.close();
  }
}

async function openIfThere(fs: FileSystem, path: string): Promise<OpenFile | undefined> {
  try {
    return await fs.open(path, 'read');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

export class FileIndex implements KeyIndex {
  readonly summary: Summary;
  readonly #path: string;
  readonly #fs: FileSystem;
  readonly #cache: SectionCache;
  readonly #filters = new Map<string, Uint32Array>();
  readonly #header: IndexHeader;
  readonly #start: number;
  #isReleased = false;

  constructor(fs: FileSystem, path: string, found: FoundIndex, cache: SectionCache) {
    this.#fs = fs;
    this.#path = path;
    this.#header = found.header;
    this.#start = found.bytes;
    this.#cache = cache;
    this.summary = found.header.summary;
  }

  async offsets(): Promise<ArrayLike<number>> {
    return (await this.#section('offsets'))!;
  }

  async lookUp(field: string, value: string): Promise<readonly number[] | undefined> {
    const section = await this.#section(field);
    return section === undefined ? undefined : findKey(section, hashKey(value));
  }

  excludes(field: string, hash: number): boolean | undefined {
    const filter = this.#filters.get(field);
    if (filter !== undefined) return filter.length > 0 && !mayHold(filter, hash);
    return isFiltered(field) ? undefined : false;
  }

  async prepare(field: string): Promise<void> {
    const filter = await this.#read(this.#sectionOf(`${field}?`)!);
    if (this.#filters.has(field)) return;
    const isAllowed = !this.#isReleased && this.#cache.allow(filter.byteLength);
    this.#filters.set(field, isAllowed ? filter : NO_FILTER);
  }

  /** Gives back what the filters were allowed. */
  release(): void {
    this.#isReleased = true;
    for (const filter of this.#filters.values()) this.#cache.allow(-filter.byteLength);
    this.#filters.clear();
  }

  /** All keys, for an index that goes on where this one ends. Past the cache: the file will be written again. */
  async everything(): Promise<KnownKeys> {
    const sections = new Map<string, Uint32Array>();
    for (const section of this.#header.sections)
      if (!section.name.endsWith('?') && section.name !== 'offsets')
        sections.set(section.name, await this.#read(section));
    return { summary: this.summary, sections, types: sections.get('types')!, times: toTimes(sections.get('times')!) };
  }

  async ofTypes(types: readonly string[]): Promise<readonly number[] | undefined> {
    const names = this.summary.types;
    if (names === undefined) return undefined;
    const wanted = new Set(types.map((type) => names.indexOf(type)).filter((number) => number >= 0));
    if (wanted.size === 0) return [];
    const found: number[] = [];
    const ofRecord = (await this.#section('types'))!;
    for (let i = 0; i < ofRecord.length; i++) if (ofRecord[i] !== NO_TYPE && wanted.has(ofRecord[i]!)) found.push(i);
    return found;
  }

  async ofTime(from: number, to: number): Promise<readonly number[] | undefined> {
    const section = await this.#section('times');
    return section && within(toTimes(section), from, to);
  }

  async live(): Promise<readonly number[]> {
    const found: number[] = [];
    const ofRecord = (await this.#section('types'))!;
    for (let i = 0; i < ofRecord.length; i++) if (ofRecord[i] !== NO_TYPE) found.push(i);
    return found;
  }

  async #section(name: string): Promise<Uint32Array | undefined> {
    const section = this.#sectionOf(name);
    if (section === undefined) return undefined;
    const key = `${this.#header.uid}/${name}`;
    return this.#cache.get(key) ?? this.#cache.put(key, await this.#read(section));
  }

  #sectionOf(name: string): Section | undefined {
    return this.#header.sections.find((candidate) => candidate.name === name);
  }

  async #read(section: Section): Promise<Uint32Array> {
    const file = await openIfThere(this.#fs, this.#path);
    if (file === undefined) throw new DamagedIndex(this.#path);
    try {
      const bytes = await readFully(file, this.#start + section.at, section.words * 4);
      if (bytes.length < section.words * 4 || crc32(bytes) !== section.crc) throw new DamagedIndex(this.#path);
      const words = new Uint32Array(section.words);
      Buffer.from(words.buffer).set(bytes);
      return words;
    } finally {
      await file.close();
    }
  }
}

function toTimes(section: Uint32Array): Float64Array {
  return new Float64Array(section.buffer, section.byteOffset, section.length / 2);
}

const NO_FILTER = new Uint32Array(0);

/** The index can be made again from its segment, so this never reaches a caller. */
export class DamagedIndex extends Error {}
