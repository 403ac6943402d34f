import type { StoredEvent } from '../../lib/plugin.ts';
import { ENVELOPE_KEYS, NO_TYPE, keyReader } from './key-index.ts';
import type { KeyIndex, KeyReader, Summary } from './key-index.ts';
import type { Tombstone } from './record.ts';

type Postings = Map<string, number | number[]>;

/**
 * Index of the active segment. Adding a record only notes its keys; the maps that find them are built when the first
 * question comes, and catch up from there. Bounded by the size of a segment.
 */
export class MemoryIndex implements KeyIndex {
  readonly fields: readonly string[];
  readonly summary = undefined;
  readonly #offsets: number[];
  /** Keys by record number, one column for each field. */
  readonly #columns: readonly (string | undefined)[][];
  readonly #readers: readonly KeyReader[];
  readonly #postings = new Map<string, { readonly map: Postings; next: number }>();
  readonly #types: string[] = [];
  readonly #typeNumbers = new Map<string, number>();
  readonly #typeOf: number[] = [];
  #time: [number, number] | undefined;
  #storedAt = 0;
  /** Reads the records that were there before this process; see `fillLater`. */
  #fill: (() => Promise<readonly (StoredEvent | Tombstone)[]>) | undefined;
  #filling: Promise<void> | undefined;

  constructor(paths: readonly string[], start: number) {
    this.fields = [...ENVELOPE_KEYS, ...paths];
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

  add(record: StoredEvent | Tombstone, end: number): void {
    this.#note(this.count, record);
    this.#offsets.push(end);
  }

  /** Takes records whose places are known and whose content `fill` reads when the first question comes. */
  fillLater(offsets: readonly number[], fill: () => Promise<readonly (StoredEvent | Tombstone)[]>): void {
    for (let i = 1; i < offsets.length; i++) this.#offsets.push(offsets[i]!);
    for (const column of this.#columns) column.length = this.count;
    this.#typeOf.length = this.count;
    if (this.count > 0) this.#fill = fill;
  }

  async offsets(): Promise<ArrayLike<number>> {
    return this.#offsets;
  }

  async lookUp(field: string, value: string): Promise<readonly number[] | undefined> {
    if (!this.fields.includes(field)) return undefined;
    await this.ready();
    const found = this.#mapOf(field).get(value);
    return found === undefined ? [] : typeof found === 'number' ? [found] : found;
  }

  async ofTypes(types: readonly string[]): Promise<readonly number[]> {
    await this.ready();
    const wanted = new Set(types.map((type) => this.#typeNumbers.get(type)));
    const found: number[] = [];
    for (let i = 0; i < this.#typeOf.length; i++) if (wanted.has(this.#typeOf[i])) found.push(i);
    return found;
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

  /** Keys by record number, and the types; for the index file. Only after `ready`. */
  column(field: string): readonly (string | undefined)[] {
    return this.#columns[this.fields.indexOf(field)]!;
  }

  typeNumbers(): { readonly names: readonly string[]; readonly ofRecord: readonly number[] } {
    return { names: this.#types, ofRecord: this.#typeOf };
  }

  summarize(): Summary {
    const ids = this.column('id') as readonly string[];
    const bounds = ids.length === 0 ? undefined : ([ids.reduce(lower), ids.reduce(higher)] as const);
    return {
      count: this.count,
      storedAt: this.#storedAt,
      ...(this.#types.length < NO_TYPE ? { types: this.#types } : {}),
      ...(this.#time === undefined ? {} : { time: this.#time }),
      ...(bounds === undefined ? {} : { ids: bounds }),
    };
  }

  async #runFill(): Promise<void> {
    const records = await this.#fill!();
    for (let i = 0; i < records.length; i++) this.#note(i, records[i]!);
    this.#fill = undefined;
  }

  #note(index: number, record: StoredEvent | Tombstone): void {
    for (let i = 0; i < this.#columns.length; i++) this.#columns[i]![index] = this.#readers[i]!(record);
    this.#storedAt = Math.max(this.#storedAt, record.storedAt);
    if (!('type' in record)) {
      this.#typeOf[index] = NO_TYPE;
      return;
    }
    this.#typeOf[index] = this.#numberOf(record.type);
    const { time } = record;
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
    if (postings === undefined) this.#postings.set(field, (postings = { map: new Map(), next: 0 }));
    const column = this.column(field);
    for (; postings.next < column.length; postings.next++) post(postings.map, column[postings.next], postings.next);
    return postings.map;
  }
}

const DONE = Promise.resolve();

function post(map: Postings, key: string | undefined, record: number): void {
  if (key === undefined) return;
  const found = map.get(key);
  if (found === undefined) map.set(key, record);
  else if (typeof found === 'number') map.set(key, [found, record]);
  else found.push(record);
}

function lower(a: string, b: string): string {
  return a < b ? a : b;
}

function higher(a: string, b: string): string {
  return a > b ? a : b;
}
