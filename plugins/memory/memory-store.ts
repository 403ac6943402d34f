import { AbstractStore, Slice, contentHash, indexedPaths } from '../../lib/plugin.ts';
import type {
  Between,
  Head,
  ImportSlice,
  KnownId,
  Page,
  PageQuery,
  Range,
  RemovedRange,
  StoredDocument,
  StoredEvent,
  StoreSize,
  StoreSupports,
  Tombstone,
} from '../../lib/plugin.ts';
import { EventIndex, KIND, within } from './event-index.ts';
import { EventLog } from './event-log.ts';
import { Generations } from './generations.ts';
import type { MemoryOptions } from './options.ts';
import { Postings } from './postings.ts';
import { Removals } from './removals.ts';

/** A span of times that holds more of the log than this is read like the whole log. */
const WORTH_AN_INDEX = 0.9;

/**
 * A log in memory. Its records are frozen and handed out as they are.
 *
 * Capacity: the newest `capacity` events; older ones go and are recorded as removed with reason `bound`.
 * Closing: keeps everything, so that the same store can be opened again.
 */
export class MemoryStore extends AbstractStore {
  readonly name = 'memory';
  readonly supports: StoreSupports;
  readonly #capacity: number;
  readonly #log = new EventLog();
  readonly #index: EventIndex;
  /** Ids of removed events, and revisions of entities whose newest event was removed. */
  readonly #removedIds: Generations<Tombstone>;
  readonly #removedRevisions: Generations<number>;
  readonly #removals: Removals;
  readonly #documents = new Map<string, Map<string, StoredDocument>>();
  readonly #lives = (position: number): boolean => this.#log.get(position) !== undefined;
  #headNow: Head = { position: 0, storedAt: 0 };
  /** No event lives before it. */
  #first = 1;
  #puts = 0;
  #learningKinds: Promise<void> | undefined;

  constructor(options: Required<MemoryOptions>) {
    super();
    this.#capacity = options.capacity;
    this.#index = new EventIndex(indexedPaths(options.index));
    this.#removedIds = new Generations(options.keepIds);
    this.#removedRevisions = new Generations(options.keepIds);
    // A store of ids holds up to an eighth more.
    this.#removals = new Removals(Math.ceil(options.keepIds * 1.125));
    this.supports = {
      durability: 'memory',
      shared: false,
      maxEventBytes: options.maxEventBytes,
      pushdown: ['ids', 'types', 'entity', 'entityKind', 'correlationId', 'causationId', 'time', 'equals'],
      operations: ['import'],
    };
  }

  protected async _open(): Promise<void> {}

  protected async _close(): Promise<void> {}

  protected async _append(records: readonly StoredEvent[]): Promise<void> {
    for (const record of records) {
      this.#log.set(record);
      this.#index.add(record);
    }
    const { position, storedAt } = records[records.length - 1]!;
    this.#headNow = { position, storedAt };
    if (this.#log.count > this.#capacity) this.#dropOldest(storedAt);
  }

  protected async _read(query: PageQuery): Promise<Page> {
    if (query.entityKind !== undefined) await (this.#learningKinds ??= this.#learnKinds());
    const last = Math.min(query.through, this.#headNow.position);
    const { events, index } = this.#find(query, Math.max(query.after + 1, this.#first), last);
    const done = events.length < query.limit;
    const end = query.descending ? query.after : last;
    const looked = done ? end : events[events.length - 1]!.position;
    return { events, looked, done, scanned: events.length, ...(index !== undefined && { index }) };
  }

  protected async _head(): Promise<Head> {
    return this.#headNow;
  }

  protected async _find(ids: readonly string[]): Promise<ReadonlyMap<string, KnownId>> {
    const found = new Map<string, KnownId>();
    for (const id of ids) {
      const event = this.#log.get(this.#index.last('id', id));
      const known = event ?? this.#removedIds.get(id);
      if (known !== undefined) found.set(id, toKnownId(known));
    }
    return found;
  }

  protected async _revision(entities: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const found = new Map<string, number>();
    for (const entity of entities) {
      const living = this.#log.get(this.#index.last('entity', entity))?.revision ?? 0;
      const revision = Math.max(living, this.#removedRevisions.get(entity) ?? 0);
      if (revision > 0) found.set(entity, revision);
    }
    return found;
  }

  protected async _remove(ranges: readonly Range[], reason: string, at: number, between: Between): Promise<number> {
    const slice = new Slice();
    const left = new Leftover(ranges);
    let removed = 0;
    while (left.next !== undefined) {
      // What goes in one turn is recorded in the same turn: a hole is always explained.
      removed += await between(async () => this.#removePart(left, reason, at, slice));
      if (slice.isOver) await slice.rest();
    }
    await this.#index.compact(this.#lives);
    return removed;
  }

  protected override _size(): Promise<StoreSize> {
    return this.#log.size();
  }

  protected async _removed(range: Range): Promise<readonly RemovedRange[]> {
    return this.#removals.within(range);
  }

  protected async _rewrite(events: readonly StoredEvent[], between: Between): Promise<void> {
    const slice = new Slice();
    for (const event of events) {
      await between(async () => this.#replace(event));
      if (slice.isOver) await slice.rest();
    }
  }

  protected override async _import({ events, removed, tombstones, to, storedAt }: ImportSlice): Promise<void> {
    for (const event of events) {
      this.#log.set(event);
      this.#index.add(event);
    }
    for (const tombstone of tombstones) this.#remember(tombstone);
    this.#removals.add(removed);
    this.#headNow = { position: to, storedAt };
    if (this.#log.count > this.#capacity) this.#dropOldest(storedAt);
  }

  protected override async _tombstones(range: Range, limit: number): Promise<readonly Tombstone[]> {
    const slice = new Slice();
    const found: Tombstone[] = [];
    for (const known of this.#removedIds.values()) {
      // An id that was forgotten and came again may be there twice.
      const isWithin = known.position >= range.from && known.position <= range.to;
      if (isWithin && this.#removedIds.get(known.id) === known) found.push(known);
      if (slice.isOver) await slice.rest();
    }
    return found.toSorted((a, b) => a.position - b.position).slice(0, limit);
  }

  protected override async _collections(): Promise<readonly string[]> {
    return [...this.#documents].filter(([, documents]) => documents.size > 0).map(([name]) => name);
  }

  protected async _document(collection: string, key: string): Promise<StoredDocument | undefined> {
    return this.#documents.get(collection)?.get(key);
  }

  protected async _putDocument(
    collection: string,
    key: string,
    value: unknown,
    etag: string | null | undefined,
  ): Promise<string | undefined> {
    let documents = this.#documents.get(collection);
    if (documents === undefined) this.#documents.set(collection, (documents = new Map<string, StoredDocument>()));
    if (etag !== undefined && etag !== (documents.get(key)?.etag ?? null)) return undefined;
    const document = Object.freeze({ key, value, etag: String(++this.#puts) });
    documents.set(key, document);
    return document.etag;
  }

  protected async _listDocuments(collection: string): Promise<readonly StoredDocument[]> {
    return [...(this.#documents.get(collection)?.values() ?? [])];
  }

  protected async _deleteDocument(collection: string, key: string, etag: string | undefined): Promise<boolean> {
    const documents = this.#documents.get(collection);
    const document = documents?.get(key);
    if (document === undefined || (etag !== undefined && etag !== document.etag)) return false;
    return documents!.delete(key);
  }

  #find(query: PageQuery, first: number, last: number): { events: StoredEvent[]; index?: string } {
    const { time, descending, limit } = query;
    const found = this.#index.candidates(query);
    const most = time === undefined ? Infinity : this.#log.most(first, last, time);
    if (found !== undefined && found.size <= most)
      return { events: this.#lookUp(found.lists, query), index: found.index };
    if (time !== undefined && most < this.#log.count * WORTH_AN_INDEX)
      return { events: take(this.#log.inTime(first, last, time, descending), limit), index: 'time' };
    return { events: this.#log.page(first, last, descending, limit) };
  }

  #lookUp(lists: readonly (readonly number[])[], query: PageQuery): StoredEvent[] {
    const positions = lists.flatMap((list) => within(list, query, this.#lives));
    positions.sort(query.descending ? (a, b) => b - a : (a, b) => a - b);
    return positions.slice(0, query.limit).map((position) => this.#log.get(position)!);
  }

  /** Kinds have no index until somebody asks for one: it is made in slices, and kept from then on. */
  async #learnKinds(): Promise<void> {
    const slice = new Slice();
    const kinds = new Postings();
    for (let at = this.#first; at <= this.#headNow.position; at++) {
      const entity = this.#log.get(at)?.entity;
      if (entity !== undefined) kinds.add(kindOf(entity), at);
      if (at % 256 === 0 && slice.isOver) await slice.rest();
    }
    this.#index.adopt(KIND, ({ entity }) => (entity === undefined ? undefined : kindOf(entity)), kinds);
  }

  #replace(event: StoredEvent): void {
    const before = this.#log.get(event.position);
    if (before !== undefined) this.#index.replace(before, event);
    this.#log.set(event);
  }

  /** Removes from the start of what is left until it is done or the slice is over; answers how many events. */
  #removePart(left: Leftover, reason: string, at: number, slice: Slice): number {
    const gone: RemovedRange[] = [];
    let count = 0;
    for (let range = left.next; range !== undefined; range = left.next) {
      let { to } = range;
      for (const event of this.#log.scan(range.from, range.to, false)) {
        this.#forget(event);
        this.#index.remove(event);
        count++;
        if (!slice.isOver) continue;
        to = event.position;
        break;
      }
      gone.push({ from: range.from, to, reason, at });
      left.takeUpTo(to);
      if (slice.isOver) break;
    }
    this.#removals.add(gone);
    return count;
  }

  #dropOldest(at: number): void {
    const from = this.#first;
    const gone: StoredEvent[] = [];
    let excess = this.#log.count - this.#capacity;
    for (; excess > 0; this.#first++) {
      const event = this.#log.get(this.#first);
      if (event === undefined) continue;
      gone.push(event);
      excess--;
    }
    for (const event of gone) this.#forget(event);
    this.#index.trim(gone, this.#first);
    const dropped = { from, to: this.#first - 1 };
    this.#removals.addBound(dropped, at);
    this.tellRemoved([dropped]);
  }

  /** Takes an event out of the log; what must outlive it is remembered. */
  #forget(event: StoredEvent): void {
    const { entity, position } = event;
    const isNewest = entity !== undefined && this.#index.last('entity', entity) === position;
    this.#remember(isNewest ? { ...toKnownId(event), entity } : toKnownId(event));
    this.#log.delete(position);
  }

  #remember(tombstone: Tombstone): void {
    const { id, entity, revision } = tombstone;
    this.#removedIds.set(id, tombstone);
    if (entity === undefined) return;
    this.#removedRevisions.set(entity, Math.max(revision, this.#removedRevisions.get(entity) ?? 0));
  }
}

/** What of sorted ranges has not been removed yet. */
class Leftover {
  readonly #ranges: readonly Range[];
  #at = 0;
  #from = 0;

  constructor(ranges: readonly Range[]) {
    this.#ranges = ranges;
  }

  get next(): Range | undefined {
    const range = this.#ranges[this.#at];
    return range && { from: Math.max(range.from, this.#from), to: range.to };
  }

  takeUpTo(position: number): void {
    if (this.#ranges[this.#at]!.to === position) this.#at++;
    else this.#from = position + 1;
  }
}

function take(events: Iterable<StoredEvent>, limit: number): StoredEvent[] {
  const taken: StoredEvent[] = [];
  for (const event of events) if (taken.push(event) === limit) break;
  return taken;
}

function kindOf(entity: string): string {
  return entity.slice(0, entity.indexOf('/'));
}

function toKnownId(record: StoredEvent | Tombstone): KnownId {
  const { id, position, revision, storedAt } = record;
  return { id, position, revision, storedAt, hash: 'hash' in record ? record.hash : contentHash(record) };
}
