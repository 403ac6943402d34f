import type { StoredEvent } from '../../lib/plugin.ts';
import { ENVELOPE_KEYS, KIND, NO_TYPE, hashKey, keyReader, within } from './key-index.ts';
import type { KeyIndex, KeyReader, Summary } from './key-index.ts';
import type { Tombstone } from './record.ts';
import { NO_KEY, findKey, toSection } from './sections.ts';

type Postings = Map<number, number | number[]>;

/** Keys of the first records, as an index file has them. */
export interface KnownKeys {
  readonly summary: Summary;
  readonly sections: ReadonlyMap<string, Uint32Array>;
  readonly types: Uint32Array;
  readonly times: Float64Array;
}

/** What `fillLater` reads: the keys of some first records, and the records behind those. */
export interface Filling {
  readonly known?: KnownKeys;
  readonly records: readonly (StoredEvent | Tombstone)[];
}

/**
 * Index of the active segment. Adding a record only notes the hashes of its keys; the maps that find them are built
 * when the first question comes, and catch up from there. Bounded by the size of a segment.
 */
export class MemoryIndex implements KeyIndex {
  readonly fields: readonly string[];
  readonly summary = undefined;
  readonly #offsets: number[];
  /** Hashes by record number, one column for each field. */
  readonly #columns: readonly number[][];
  readonly #readers: readonly KeyReader[];
  readonly #postings = new Map<string, { readonly map: Postings; next: number }>();
  readonly #types: string[] = [];
  readonly #typeNumbers = new Map<string, number>();
  readonly #typeOf: number[] = [];
  /** By record number; NaN for removed events. */
  readonly #times: number[] = [];
  #time: [number, number] | undefined;
  #ids: [string, string] | undefined;
  #storedAt = 0;
  #gone: readonly [number, number] = [0, 0];
  /** Keys of the records before those in the columns. */
  #known: KnownKeys | undefined;
  /** Reads the records that were there before this process; see `fillLater`. */
  #fill: (() => Promise<Filling>) | undefined;
  #filling: Promise<void> | undefined;
  #saved = 0;

  constructor(paths: readonly string[], start: number) {
    this.fields = [...ENVELOPE_KEYS, KIND, ...paths];
    this.#offsets = [start];
    this.#columns = this.fields.map(() => []);
    this.#readers = this.fields.map(keyReader);
  }

  get count(): number {
    return this.#offsets.length - 1;
  }

  get end(): number {
    return this.#offsets[this.#offsets.length - 1]!;
  }

  /** Records whose keys are in memory and in no index file. */
  get unsaved(): number {
    return this.count - this.#saved;
  }

  add(record: StoredEvent | Tombstone, end: number): void {
    this.#note(this.count, record);
    if (!('type' in record)) this.#gone = [this.#gone[0] + 1, this.#gone[1] + end - this.end];
    this.#offsets.push(end);
  }

  /** Takes records whose places are known and whose content `fill` reads when the first question comes. */
  fillLater(offsets: readonly number[], fill: () => Promise<Filling>): void {
    for (let i = 1; i < offsets.length; i++) this.#offsets.push(offsets[i]!);
    for (const column of this.#columns) column.length = this.count;
    this.#typeOf.length = this.count;
    this.#times.length = this.count;
    this.#saved = this.count;
    if (this.count > 0) this.#fill = fill;
  }

  async offsets(): Promise<ArrayLike<number>> {
    return this.#offsets;
  }

  async lookUp(field: string, value: string): Promise<readonly number[] | undefined> {
    if (!this.fields.includes(field)) return undefined;
    if (this.#fill !== undefined) await this.ready();
    const hash = hashKey(value);
    const section = this.#known?.sections.get(field);
    const found = this.#mapOf(field).get(hash) ?? [];
    const later = typeof found === 'number' ? [found] : found;
    return section === undefined ? later : [...findKey(section, hash), ...later];
  }

  excludes(field: string, hash: number): boolean | undefined {
    if (this.#fill !== undefined) return undefined;
    if (!this.fields.includes(field)) return false;
    const section = this.#known?.sections.get(field);
    return !this.#mapOf(field).has(hash) && (section === undefined || findKey(section, hash).length === 0);
  }

  prepare(): Promise<void> {
    return this.ready();
  }

  async ofTypes(types: readonly string[]): Promise<readonly number[]> {
    await this.ready();
    const wanted = new Set(types.map((type) => this.#typeNumbers.get(type) ?? NO_TYPE + 1));
    const found: number[] = [];
    for (let i = 0; i < this.#typeOf.length; i++) if (wanted.has(this.#typeOf[i]!)) found.push(i);
    return found;
  }

  async ofTime(from: number, to: number): Promise<readonly number[]> {
    await this.ready();
    return within(this.#times, from, to);
  }

  async live(): Promise<readonly number[] | undefined> {
    await this.ready();
    if (!this.#typeOf.includes(NO_TYPE)) return undefined;
    return this.#typeOf.flatMap((type, record) => (type === NO_TYPE ? [] : [record]));
  }

  /** Resolves when the keys of all records are known. */
  ready(): Promise<void> {
    if (this.#fill === undefined) return DONE;
    this.#filling ??= this.#runFill().finally(() => (this.#filling = undefined));
    return this.#filling;
  }

  starts(): readonly number[] {
    return this.#offsets;
  }

  /** The keys of a field, and the types by record number; for the index file. Only after `ready`. */
  section(field: string): Uint32Array {
    return toSection(this.#columns[this.fields.indexOf(field)]!, this.#known?.sections.get(field));
  }

  typeNumbers(): readonly number[] {
    return this.#typeOf;
  }

  times(): readonly number[] {
    return this.#times;
  }

  summarize(): Summary {
    return {
      count: this.count,
      storedAt: this.#storedAt,
      ...(this.#types.length < NO_TYPE ? { types: this.#types } : {}),
      ...(this.#time === undefined ? {} : { time: this.#time }),
      ...(this.#ids === undefined ? {} : { ids: this.#ids }),
      ...(this.#gone[0] === 0 ? {} : { gone: this.#gone }),
    };
  }

  async #runFill(): Promise<void> {
    const { known, records } = await this.#fill!();
    if (known !== undefined) this.#take(known);
    const first = known?.summary.count ?? 0;
    for (let i = 0; i < records.length; i++) this.#note(first + i, records[i]!);
    this.#saved = first;
    this.#fill = undefined;
  }

  /** What was added meanwhile already has type numbers of its own: those of the file are translated. */
  #take(known: KnownKeys): void {
    const { types, time, ids, storedAt } = known.summary;
    const numbers = (types ?? []).map((type) => this.#numberOf(type));
    known.types.forEach((type, record) => (this.#typeOf[record] = type === NO_TYPE ? NO_TYPE : numbers[type]!));
    known.times.forEach((at, record) => (this.#times[record] = at));
    this.#storedAt = Math.max(this.#storedAt, storedAt);
    if (time !== undefined) for (const one of time) this.#noteTime(one);
    if (ids !== undefined) for (const one of ids) this.#noteId(one);
    this.#known = known;
  }

  #note(index: number, record: StoredEvent | Tombstone): void {
    for (let i = 0; i < this.#columns.length; i++) {
      const key = this.#readers[i]!(record);
      this.#columns[i]![index] = key === undefined ? NO_KEY : hashKey(key);
    }
    if (record.storedAt > this.#storedAt) this.#storedAt = record.storedAt;
    this.#noteId(record.id);
    this.#times[index] = 'type' in record ? record.time : NaN;
    if (!('type' in record)) {
      this.#typeOf[index] = NO_TYPE;
      return;
    }
    this.#typeOf[index] = this.#numberOf(record.type);
    this.#noteTime(record.time);
  }

  #noteId(id: string): void {
    if (this.#ids === undefined) this.#ids = [id, id];
    else if (id > this.#ids[1]) this.#ids[1] = id;
    else if (id < this.#ids[0]) this.#ids[0] = id;
  }

  #noteTime(time: number): void {
    if (this.#time === undefined) this.#time = [time, time];
    else if (time < this.#time[0]) this.#time[0] = time;
    else if (time > this.#time[1]) this.#time[1] = time;
  }

  #numberOf(type: string): number {
    let number = this.#typeNumbers.get(type);
    if (number === undefined) {
      number = Math.min(this.#types.length, NO_TYPE - 1);
      this.#types.push(type);
      this.#typeNumbers.set(type, number);
    }
    return number;
  }

  #mapOf(field: string): Postings {
    let postings = this.#postings.get(field);
    const next = this.#known?.summary.count ?? 0;
    if (postings === undefined) this.#postings.set(field, (postings = { map: new Map(), next }));
    const column = this.#columns[this.fields.indexOf(field)]!;
    for (; postings.next < column.length; postings.next++) post(postings.map, column[postings.next]!, postings.next);
    return postings.map;
  }
}

const DONE = Promise.resolve();

function post(map: Postings, hash: number, record: number): void {
  if (hash === NO_KEY) return;
  const found = map.get(hash);
  if (found === undefined) map.set(hash, record);
  else if (typeof found === 'number') map.set(hash, [found, record]);
  else found.push(record);
}
