import { crc32 } from 'node:zlib';
import type { FileSystem } from './file-system.ts';
import { readFully, replaceFile } from './io.ts';
import { NO_TYPE, hashKey } from './key-index.ts';
import type { KeyIndex, Summary } from './key-index.ts';
import { NEWLINE, decodeLine, encodeLine } from './line.ts';
import type { MemoryIndex } from './memory-index.ts';
import type { SectionCache } from './section-cache.ts';

/**
 * Index of a sealed segment: a line of JSON that says what follows, then sections of 32-bit little-endian numbers.
 * `offsets`: where each record starts, and where the last ends. A key field: hashes in rising order, then the record
 * of each. `types`: the number of each record's type. Sections are read when asked for and kept in a bounded cache.
 */
export interface IndexHeader {
  readonly uid: string;
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

export async function writeIndex(fs: FileSystem, path: string, uid: string, index: MemoryIndex): Promise<IndexHeader> {
  await index.ready();
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
  add('types', Uint32Array.from(index.typeNumbers().ofRecord));
  for (const field of index.fields) {
    add(field, sortKeys(index.column(field)));
    // Each section costs some ms of sorting: let the event loop turn in between.
    await new Promise((resolve) => setImmediate(resolve));
  }
  const header = { uid, summary: index.summarize(), sections };
  await replaceFile(fs, path, [encodeLine(JSON.stringify({ index: 1, ...header })), ...parts]);
  return header;
}

/** The index file's header; `undefined` when there is none that fits the segment and has all fields. */
export async function readIndexHeader(
  fs: FileSystem,
  path: string,
  uid: string,
  fields: readonly string[],
): Promise<{ readonly header: IndexHeader; readonly bytes: number } | undefined> {
  if ((await fs.facts(path)) === undefined) return undefined;
  const file = await fs.open(path, 'read');
  try {
    let bytes = await readFully(file, 0, HEADER_BYTES);
    if (!bytes.includes(NEWLINE)) bytes = await readFully(file, 0, await file.size());
    const header = decodeLine(bytes) as IndexHeader | undefined;
    if (header?.uid !== uid) return undefined;
    if (!fields.every((field) => header.sections.some(({ name }) => name === field))) return undefined;
    return { header, bytes: bytes.indexOf(NEWLINE) + 1 };
  } finally {
    await file.close();
  }
}

export class FileIndex implements KeyIndex {
  readonly summary: Summary;
  readonly #path: string;
  readonly #fs: FileSystem;
  readonly #cache: SectionCache;
  readonly #header: IndexHeader;
  readonly #start: number;

  constructor(fs: FileSystem, path: string, found: { header: IndexHeader; bytes: number }, cache: SectionCache) {
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

  async live(): Promise<readonly number[]> {
    const found: number[] = [];
    const ofRecord = (await this.#section('types'))!;
    for (let i = 0; i < ofRecord.length; i++) if (ofRecord[i] !== NO_TYPE) found.push(i);
    return found;
  }

  async #section(name: string): Promise<Uint32Array | undefined> {
    const section = this.#header.sections.find((candidate) => candidate.name === name);
    if (section === undefined) return undefined;
    const key = `${this.#header.uid}/${name}`;
    return this.#cache.get(key) ?? this.#cache.put(key, await this.#read(section));
  }

  async #read(section: Section): Promise<Uint32Array> {
    const file = await this.#fs.open(this.#path, 'read');
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

/** The index can be made again from its segment, so this never reaches a caller. */
export class DamagedIndex extends Error {}

/** Hashes in rising order, then record numbers: one array, halves of equal length. */
function sortKeys(column: readonly (string | undefined)[]): Uint32Array {
  // Hash and record in one number below 2^48: sorting numbers is native, and records of one hash stay in rising order.
  const keys = new Float64Array(column.length);
  let count = 0;
  for (let i = 0; i < column.length; i++) {
    const key = column[i];
    if (key !== undefined) keys[count++] = hashKey(key) * RECORDS + i;
  }
  const sorted = keys.subarray(0, count).toSorted();
  const section = new Uint32Array(count * 2);
  for (let i = 0; i < count; i++) {
    section[i] = Math.floor(sorted[i]! / RECORDS);
    section[count + i] = sorted[i]! % RECORDS;
  }
  return section;
}

/** A segment has no more records. */
const RECORDS = 65_536;

function findKey(section: Uint32Array, hash: number): readonly number[] {
  const count = section.length / 2;
  let [low, high] = [0, count];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (section[middle]! < hash) low = middle + 1;
    else high = middle;
  }
  const found: number[] = [];
  for (let i = low; i < count && section[i] === hash; i++) found.push(section[count + i]!);
  return found;
}
