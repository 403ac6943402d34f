import { AbstractStore, contentHash, intersects, recordRemoval, subtractRanges } from '../../lib/plugin.ts';
import type {
  Between,
  Head,
  KnownId,
  Page,
  PageQuery,
  Range,
  RemovedRange,
  StoredDocument,
  StoredEvent,
  StoreSupports,
} from '../../lib/plugin.ts';
import { EventIndex, within } from './event-index.ts';
import { EventLog } from './event-log.ts';
import { Generations } from './generations.ts';
import type { MemoryOptions } from './options.ts';

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
  readonly #index = new EventIndex();
  /** Ids of removed events, and revisions of entities whose newest event was removed. */
  readonly #removedIds: Generations<KnownId>;
  readonly #removedRevisions: Generations<number>;
  readonly #removals: RemovedRange[] = [];
  readonly #documents = new Map<string, Map<string, StoredDocument>>();
  readonly #lives = (position: number): boolean => this.#log.get(position) !== undefined;
  #headNow: Head = { position: 0, storedAt: 0 };
  /** No event lives before it. */
  #first = 1;
  #puts = 0;

  constructor(options: Required<MemoryOptions>) {
    super();
    this.#capacity = options.capacity;
    this.#removedIds = new Generations(options.keepIds);
    this.#removedRevisions = new Generations(options.keepIds);
    this.supports = {
      durability: 'memory',
      shared: false,
      maxEventBytes: options.maxEventBytes,
      pushdown: ['ids', 'types', 'entity', 'correlationId', 'causationId', 'time'],
      operations: [],
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
    const last = Math.min(query.through, this.#headNow.position);
    const lists = this.#index.candidates(query);
    const events = lists === undefined ? this.#scan(query, last) : this.#lookUp(lists, query);
    const done = events.length < query.limit;
    const end = query.descending ? query.after : last;
    return { events, looked: done ? end : events[events.length - 1]!.position, done };
  }

  protected async _head(): Promise<Head> {
    return this.#headNow;
  }

  protected async _find(ids: readonly string[]): Promise<ReadonlyMap<string, KnownId>> {
    const found = new Map<string, KnownId>();
    for (const id of ids) {
      const event = this.#log.get(this.#index.last('id', id));
      const known = event === undefined ? this.#removedIds.get(id) : toKnownId(event);
      if (known !== undefined) found.set(id, known);
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
    return between(async () => this.#take(ranges, reason, at));
  }

  #take(ranges: readonly Range[], reason: string, at: number): number {
    const gone: StoredEvent[] = [];
    for (const { from, to } of ranges) {
      for (const event of this.#log.scan(from, to, { descending: false })) gone.push(event);
      recordRemoval(this.#removals, { from, to, reason, at });
    }
    this.#forget(gone);
    this.#index.remove(gone, this.#lives);
    return gone.length;
  }

  protected async _removed(range: Range): Promise<readonly RemovedRange[]> {
    return this.#removals.filter((removal) => intersects(removal, range));
  }

  protected async _rewrite(events: readonly StoredEvent[]): Promise<void> {
    for (const event of events) this.#log.set(event);
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

  #scan(query: PageQuery, last: number): StoredEvent[] {
    const events: StoredEvent[] = [];
    for (const event of this.#log.scan(Math.max(query.after + 1, this.#first), last, query)) {
      events.push(event);
      if (events.length === query.limit) break;
    }
    return events;
  }

  #lookUp(lists: readonly (readonly number[])[], query: PageQuery): StoredEvent[] {
    const positions = lists.flatMap((list) => within(list, query, this.#lives));
    positions.sort(query.descending ? (a, b) => b - a : (a, b) => a - b);
    return positions.slice(0, query.limit).map((position) => this.#log.get(position)!);
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
    this.#forget(gone);
    this.#index.trim(gone, this.#first);
    const dropped = { from, to: this.#first - 1 };
    const earlier = this.#removals.filter((removal) => intersects(removal, dropped));
    for (const range of subtractRanges([dropped], earlier))
      recordRemoval(this.#removals, { ...range, reason: 'bound', at });
  }

  /** Takes events out of the log; what must outlive them is remembered. */
  #forget(events: readonly StoredEvent[]): void {
    for (const event of events) {
      const { id, entity, position, revision } = event;
      this.#removedIds.set(id, toKnownId(event));
      if (entity !== undefined && this.#index.last('entity', entity) === position)
        this.#removedRevisions.set(entity, Math.max(revision, this.#removedRevisions.get(entity) ?? 0));
      this.#log.delete(position);
    }
  }
}

function toKnownId(event: StoredEvent): KnownId {
  const { id, position, revision, storedAt } = event;
  return { id, position, revision, storedAt, hash: contentHash(event) };
}
