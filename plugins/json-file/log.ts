import { Serial, contentHash, recordRemoval } from '../../lib/plugin.ts';
import type {
  Head,
  KnownId,
  Page,
  PageQuery,
  Range,
  RemovedRange,
  StoreSize,
  StoredEvent,
  Tombstone,
} from '../../lib/plugin.ts';
import { Replaced, changesTooFast } from './handle-pool.ts';
import { damagedHeader } from './header.ts';
import { hashKey } from './key-index.ts';
import { MemoryIndex } from './memory-index.ts';
import { PageBuilder, readSegment } from './paging.ts';
import { hasNone, planRead, rulesOut } from './read-plan.ts';
import { RecentRevisions } from './recent-revisions.ts';
import type { Segment, SegmentContext } from './segment.ts';
import { tombstonesIn } from './tombstones.ts';

const RECENT_ENTITIES = 32_768;
const ATTEMPTS = 5;
const MOST_ATTEMPTS = 200;
const FILTERS_AT_ONCE = 16;

/**
 * The segments in order and everything that reads them. The last one is active. Readers see whole commits: a segment's
 * `count` rises only when a commit is done. A segment that was rewritten meanwhile is looked up again.
 */
export class Log {
  readonly context: SegmentContext;
  #segments: readonly Segment[] = [];
  #active: MemoryIndex;
  readonly #recent: RecentRevisions | undefined;
  #head: Head = { position: 0, storedAt: 0 };
  readonly #maintenance = new Serial();

  constructor(context: SegmentContext) {
    this.context = context;
    this.#active = new MemoryIndex(context.paths, 0);
    if (!context.readOnly) this.#recent = new RecentRevisions(RECENT_ENTITIES);
  }

  get segments(): readonly Segment[] {
    return this.#segments;
  }

  get active(): Segment | undefined {
    return this.#segments[this.#segments.length - 1];
  }

  get activeIndex(): MemoryIndex {
    return this.#active;
  }

  get head(): Head {
    return this.#head;
  }

  /** The only writer says what it has written; a reader cannot know and has no such memory. */
  remember(entity: string, revision: number): void {
    this.#recent?.set(entity, revision);
  }

  moveHead(head: Head): void {
    this.#head = head;
  }

  /** All segments at once, the active one with its index. */
  load(segments: readonly Segment[], active: MemoryIndex): void {
    this.#segments = segments;
    this.#active = active;
  }

  /** Begins the next segment; one that is still empty and begins at the same position is gone with that. */
  push(segment: Segment, index: MemoryIndex): void {
    const before = this.#segments.filter(({ first }) => first < segment.first);
    for (const gone of this.#segments.slice(before.length)) gone.release();
    this.#segments = [...before, segment];
    this.#active = index;
  }

  /** The segment that begins at a position. */
  segmentAt(first: number): Segment {
    const found = this.#segments.find((segment) => segment.first === first);
    if (found === undefined) throw new Error(`expected a segment that begins at ${first}`);
    return found;
  }

  /** Changes of sealed segments, one after another. */
  maintain<T>(work: () => Promise<T>): Promise<T> {
    return this.#maintenance.run(work);
  }

  /** Puts one segment in the place of others that follow one another. */
  replace(before: readonly Segment[], after: Segment): void {
    for (const segment of before) segment.release();
    const at = this.#segments.indexOf(before[0]!);
    this.#segments = this.#segments.toSpliced(at, before.length, after);
  }

  read(query: PageQuery): Promise<Page> {
    return this.#retrying(() => this.#read(query));
  }

  /** Learns about segments that another process rewrote; nothing to do for the only writer. */
  refresh: () => Promise<void> = async () => undefined;

  find(ids: readonly string[]): Promise<ReadonlyMap<string, KnownId>> {
    return this.#retrying(() => this.#find(ids));
  }

  revisions(entities: readonly string[]): Promise<ReadonlyMap<string, number>> {
    return this.#retrying(() => this.#revisions(entities));
  }

  removed(range: Range): Promise<readonly RemovedRange[]> {
    return this.#retrying(() => this.#removed(range));
  }

  tombstones(range: Range, limit: number): Promise<readonly Tombstone[]> {
    return this.#retrying(() => tombstonesIn(this.#segments, range, limit));
  }

  size(): Promise<StoreSize> {
    return this.#retrying(() => this.#size());
  }

  /**
   * A segment may be replaced under a reader, who then looks again, as often as another one is replaced. The same one
   * time and again is damaged.
   */
  async #retrying<T>(work: () => Promise<T>): Promise<T> {
    for (let [attempt, same] = [1, 1]; ; attempt++) {
      const before = this.#segments;
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof Replaced)) throw error;
        await this.refresh();
        const asked = before.find(({ path }) => path === error.path);
        const isThere = asked === undefined || this.#segments.includes(asked);
        if (isThere && same++ === ATTEMPTS) throw damagedHeader(error.path);
        if (attempt === MOST_ATTEMPTS) throw changesTooFast(error.path);
      }
    }
  }

  async #find(ids: readonly string[]): Promise<ReadonlyMap<string, KnownId>> {
    const known = new Map<string, KnownId>();
    for (const id of ids) {
      const record = await this.#newest(
        'id',
        id,
        (summary) => summary.ids !== undefined && summary.ids[0] <= id && id <= summary.ids[1],
      );
      if (record !== undefined) known.set(id, toKnown(record));
    }
    return known;
  }

  async #revisions(entities: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const revisions = new Map<string, number>();
    for (const entity of entities) {
      const recent = this.#recent?.get(entity);
      const revision = recent ?? (await this.#newest('entity', entity, () => true))?.revision;
      if (revision === undefined) continue;
      revisions.set(entity, revision);
      if (recent === undefined) this.#recent?.set(entity, revision);
    }
    return revisions;
  }

  async #removed(range: Range): Promise<readonly RemovedRange[]> {
    const ranges: RemovedRange[] = [];
    for (let i = 0; i < this.#segments.length; i++) {
      const segment = this.#segments[i]!;
      // Ranges lost before a segment are told by its own header.
      const before = i === 0 ? 0 : this.#segments[i - 1]!.last;
      if (segment.removals === 0 || before + 1 > range.to || segment.last < range.from) continue;
      // One removal that spans segments is told as one range again.
      for (const removed of (await segment.header()).removed) recordRemoval(ranges, removed);
    }
    return ranges.filter(({ from, to }) => from <= range.to && to >= range.from);
  }

  async #size(): Promise<StoreSize> {
    let [events, storedBytes, originalBytes] = [0, 0, 0];
    for (const segment of this.#segments) {
      const [gone, goneBytes] = await segment.gone();
      events += segment.count - gone;
      originalBytes += segment.bytes - segment.start - goneBytes;
      storedBytes += segment.fileBytes + ((await this.context.fs.facts(segment.indexPath))?.bytes ?? 0);
    }
    return { events, storedBytes, originalBytes };
  }

  async #read(query: PageQuery): Promise<Page> {
    const first = query.after + 1;
    const last = Math.min(query.through, this.#head.position);
    const plan = planRead(query, this.context.paths);
    const page = new PageBuilder(query);
    if (first > last) return page.done(query.descending ? first : Math.max(query.after, last));
    const segments = this.#segments.filter(
      (segment) => segment.count > 0 && segment.first <= last && segment.last >= first,
    );
    if (query.descending) segments.reverse();
    for (const { field, values } of plan.keys) await askFilters(segments, field, hashKey(values[0] ?? ''));
    for (const segment of segments) {
      const from = Math.max(first, segment.first) - segment.first;
      const to = Math.min(last, segment.last) - segment.first;
      if (rulesOut(plan, segment.summary) || (await hasNone(plan, segment))) continue;
      if (!(await readSegment(segment, from, to, plan, page))) return page.cut();
    }
    return page.done(query.descending ? first : Math.max(last, query.after));
  }

  /** The newest record with a key, removed events included. */
  async #newest(
    field: 'id' | 'entity',
    key: string,
    mayHold: (summary: NonNullable<Segment['summary']>) => boolean,
  ): Promise<(KnownId & { entity?: string }) | StoredEvent | undefined> {
    const hash = hashKey(key);
    for (let i = this.#segments.length - 1; i >= 0; i--) {
      const segment = this.#segments[i]!;
      if (segment.summary !== undefined && !mayHold(segment.summary)) continue;
      if (segment.excludes(field, hash) === undefined) await askFilters(this.#segments, field, hash);
      if (segment.excludes(field, hash) === true) continue;
      const found = await this.#lastIn(segment, field, key);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  async #lastIn(segment: Segment, field: 'id' | 'entity', key: string): Promise<StoredEvent | KnownId | undefined> {
    const numbers = (await segment.ask((index) => index.lookUp(field, key))) ?? [];
    for (let i = numbers.length - 1; i >= 0; i--) {
      if (numbers[i]! >= segment.count) continue;
      const [record] = await segment.records(numbers[i]!, numbers[i]!);
      if (record![field] === key) return record;
    }
    return undefined;
  }
}

/** Reads the filters that were never asked, several at once: after opening, a first look-up needs those of all segments. */
async function askFilters(segments: readonly Segment[], field: string, hash: number): Promise<void> {
  const unknown = segments.filter((segment) => segment.excludes(field, hash) === undefined);
  for (let i = 0; i < unknown.length; i += FILTERS_AT_ONCE)
    await Promise.all(unknown.slice(i, i + FILTERS_AT_ONCE).map((segment) => segment.holdsNo(field, hash)));
}

function toKnown(record: StoredEvent | KnownId): KnownId {
  const { id, position, revision, storedAt } = record;
  return { id, position, revision, storedAt, hash: 'hash' in record ? record.hash : contentHash(record) };
}
