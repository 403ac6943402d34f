// oxlint-disable eslint/no-underscore-dangle -- the faults lie in what a store brings
import type {
  Between,
  Commit,
  CommitListener,
  Head,
  ImportSlice,
  KnownId,
  Page,
  PageQuery,
  PendingAppend,
  Range,
  RemovedRange,
  Store,
  StoreSize,
  StoredDocument,
  StoredEvent,
  Tombstone,
} from '../../lib/plugin.ts';
import { MemoryStore } from '../../plugins/memory/memory-store.ts';
import { parseOptions } from '../../plugins/memory/options.ts';
import { turn } from './turn.ts';

/** A store with one fault, and the test of the contract that must find it. */
export interface BrokenStore {
  readonly fault: string;
  readonly caughtBy: string;
  readonly create: () => Store;
}

class Healthy extends MemoryStore {
  constructor() {
    super(parseOptions({}));
  }

  protected async newest(): Promise<StoredEvent | undefined> {
    return (await this._read({ after: 0, through: Infinity, descending: true, limit: 1 })).events[0];
  }

  protected async lives(position: number): Promise<boolean> {
    return (
      (await this._read({ after: position - 1, through: position, descending: false, limit: 1 })).events.length > 0
    );
  }
}

class PositionReuse extends Healthy {
  protected override async _head(): Promise<Head> {
    const newest = await this.newest();
    return newest === undefined ? { position: 0, storedAt: 0 } : newest;
  }
}

class RevisionRestart extends Healthy {
  protected override async _revision(entities: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const found = new Map<string, number>();
    for (const entity of entities) {
      const page = await this._read({ entity, after: 0, through: Infinity, descending: true, limit: 1 });
      if (page.events.length > 0) found.set(entity, page.events[0]!.revision);
    }
    return found;
  }
}

class NoDuplicateCheck extends Healthy {
  protected override async _find(): Promise<ReadonlyMap<string, KnownId>> {
    return new Map();
  }
}

class ForgetsRemovedIds extends Healthy {
  protected override async _find(ids: readonly string[]): Promise<ReadonlyMap<string, KnownId>> {
    const found = new Map<string, KnownId>();
    for (const [id, known] of await super._find(ids)) if (await this.lives(known.position)) found.set(id, known);
    return found;
  }
}

class IgnoresContent extends Healthy {
  protected override async _commit(appends: readonly PendingAppend[]): Promise<Commit> {
    const known = await this._find(appends.flatMap((append) => append.events.map((event) => event.id)));
    const disguised = appends.map((append) => ({
      ...append,
      events: append.events.map((event) => {
        const hash = known.get(event.id)?.hash;
        return hash === undefined ? event : { ...event, metadata: { ...event.metadata, $content: hash } };
      }),
    }));
    return super._commit(disguised);
  }
}

class HalfBatches extends Healthy {
  protected override async _commit(appends: readonly PendingAppend[]): Promise<Commit> {
    const commits: Commit[] = [];
    for (const append of appends) {
      const singles = append.events.map((event) => ({ ...append, events: [event] }));
      commits.push(await super._commit(singles.length > 0 ? singles : [append]));
    }
    const outcomes = commits.map(
      (commit) => commit.outcomes.find((one) => one instanceof Error) ?? commit.outcomes[0]!,
    );
    return { outcomes, records: commits.flatMap((commit) => commit.records), head: commits.at(-1)!.head };
  }
}

class LosesBatchTail extends Healthy {
  protected override async _append(records: readonly StoredEvent[]): Promise<void> {
    await super._append(records.length > 2 ? records.slice(0, -1) : records);
  }
}

class FallingStoredAt extends Healthy {
  protected override async _append(records: readonly StoredEvent[]): Promise<void> {
    await super._append(records.map((record) => ({ ...record, storedAt: this.clock.now() })));
  }
}

class WrongOrder extends Healthy {
  protected override async _read(query: PageQuery): Promise<Page> {
    const page = await super._read(query);
    return { ...page, events: page.events.toSorted((a, b) => b.position - a.position) };
  }
}

class SkipsBetweenPages extends Healthy {
  protected override async _read(query: PageQuery): Promise<Page> {
    const page = await super._read(query);
    return page.done ? page : { ...page, looked: page.looked + 1 };
  }
}

class HidesOldTimes extends Healthy {
  protected override async _read(query: PageQuery): Promise<Page> {
    const page = await super._read(query);
    const from = query.time?.from;
    return from === undefined ? page : { ...page, events: page.events.filter((event) => event.time > from + 1) };
  }
}

class ReordersKeys extends Healthy {
  protected override async _append(records: readonly StoredEvent[]): Promise<void> {
    await super._append(records.map((record) => ({ ...record, payload: sorted(record.payload) })));
  }
}

class SharesHistory extends Healthy {
  protected override async _append(records: readonly StoredEvent[]): Promise<void> {
    await super._append(structuredClone(records));
  }
}

class NotDurable extends Healthy {
  #lost = 0;

  protected override async _close(): Promise<void> {
    this.#lost = (await this.newest())?.position ?? 0;
  }

  protected override async _read(query: PageQuery): Promise<Page> {
    const page = await super._read(query);
    return { ...page, events: page.events.filter((event) => event.position !== this.#lost) };
  }
}

class FeedsTwice extends Healthy {
  override onCommit(listener: CommitListener): () => void {
    return super.onCommit((events) => {
      listener(events);
      listener(events);
    });
  }
}

class FeedsBeforeDurable extends Healthy {
  readonly #listeners = new Set<CommitListener>();

  override onCommit(listener: CommitListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  protected override async _append(records: readonly StoredEvent[]): Promise<void> {
    for (const listener of this.#listeners) listener(records);
    await new Promise((resolve) => setImmediate(resolve));
    await super._append(records);
  }
}

class FeedsSomeCommits extends Healthy {
  override onCommit(listener: CommitListener): () => void {
    let calls = 0;
    return super.onCommit((events) => calls++ % 2 === 0 && listener(events));
  }
}

class RemovesInSilence extends Healthy {
  protected override async _removed(): Promise<readonly RemovedRange[]> {
    return [];
  }
}

class RemovesTooMuch extends Healthy {
  protected override async _remove(ranges: readonly Range[], ...rest: [string, number, Between]): Promise<number> {
    const span = { from: ranges[0]!.from, to: ranges.at(-1)!.to };
    return super._remove([span], ...rest);
  }
}

class CountsTheRemoved extends Healthy {
  override async size(): Promise<StoreSize> {
    return { ...(await super.size()), events: (await this._head()).position };
  }
}

class RemovesUnheard extends Healthy {
  override onRemove(): () => void {
    return () => undefined;
  }
}

class GivesTheRemoved extends Healthy {
  readonly #all = new Map<string, StoredEvent>();

  protected override async _append(records: readonly StoredEvent[]): Promise<void> {
    for (const record of records) this.#all.set(record.id, record);
    await super._append(records);
  }

  protected override async _read(query: PageQuery): Promise<Page> {
    const page = await super._read(query);
    const { ids, after, through } = query;
    if (ids === undefined) return page;
    const found = [...new Set(ids)].flatMap((id) => this.#all.get(id) ?? []);
    return { ...page, events: found.filter(({ position }) => position > after && position <= through) };
  }
}

class CountsFromTheStart extends Healthy {
  protected override async _read(query: PageQuery): Promise<Page> {
    const gone = (await this._removed({ from: 1, to: query.after })).reduce(
      (sum, { from, to }) => sum + to - from + 1,
      0,
    );
    return super._read(query.descending || gone === 0 ? query : { ...query, after: query.after + gone });
  }
}

class RestartsWhenEmpty extends Healthy {
  protected override async _revision(entities: readonly string[]): Promise<ReadonlyMap<string, number>> {
    return (await this.newest()) === undefined ? new Map() : super._revision(entities);
  }
}

class RemovesAllThereIs extends Healthy {
  protected override async _remove(ranges: readonly Range[], ...rest: [string, number, Between]): Promise<number> {
    await turn();
    const all = { from: ranges[0]!.from, to: Math.max(ranges.at(-1)!.to, (await this._head()).position) };
    return super._remove([all], ...rest);
  }
}

class ComposesTexts extends Healthy {
  protected override async _read(query: PageQuery): Promise<Page> {
    const page = await super._read(query);
    return { ...page, events: JSON.parse(JSON.stringify(page.events).normalize('NFC')) as StoredEvent[] };
  }
}

class MixesTypesOfKeys extends Healthy {
  protected override async _read(query: PageQuery): Promise<Page> {
    const page = await super._read(query);
    const numbers = query.equals?.some(({ values }) => values.some((value) => typeof value === 'number'));
    return numbers === true ? { ...page, events: [] } : page;
  }
}

class LastPutWins extends Healthy {
  protected override async _putDocument(collection: string, key: string, value: unknown): Promise<string | undefined> {
    return super._putDocument(collection, key, value, undefined);
  }
}

class StaleEtags extends Healthy {
  protected override async _document(collection: string, key: string): Promise<StoredDocument | undefined> {
    const document = await super._document(collection, key);
    return document && { ...document, etag: 'always' };
  }
}

class IgnoresFences extends Healthy {
  override remove(ranges: readonly Range[], reason: string): Promise<number> {
    return super.remove(ranges, reason);
  }
}

class TakesOverWithoutIds extends Healthy {
  protected override _import(slice: ImportSlice): Promise<void> {
    return super._import({ ...slice, tombstones: [] });
  }
}

class TakesOverWithoutReasons extends Healthy {
  protected override _import(slice: ImportSlice): Promise<void> {
    return super._import({ ...slice, removed: slice.removed.slice(0, 1) });
  }
}

class TellsRangesWhole extends Healthy {
  protected override async _tombstones(range: Range, limit: number): Promise<readonly Tombstone[]> {
    const gone = await this._removed(range);
    return super._tombstones({ from: gone[0]?.from ?? range.from, to: gone.at(-1)?.to ?? range.to }, limit);
  }
}

class TellsRangesFromTheirStart extends Healthy {
  protected override async _tombstones(range: Range, limit: number): Promise<readonly Tombstone[]> {
    const first = (await this._removed(range)).find(({ from }) => from >= range.from);
    return first === undefined ? [] : super._tombstones({ ...range, from: first.from }, limit);
  }
}

class DropsQueueOnClose extends Healthy {
  #closing = false;

  override close(): Promise<void> {
    this.#closing = true;
    return super.close().finally(() => (this.#closing = false));
  }

  protected override async _append(records: readonly StoredEvent[]): Promise<void> {
    if (!this.#closing) await super._append(records);
  }
}

function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** Every one of these must be found by the test that is named with it. */
export const BROKEN_STORES: readonly BrokenStore[] = [
  broken(PositionReuse, 'position reuse', 'never uses a position again, whatever was removed'),
  broken(RevisionRestart, 'revision restart', 'never starts a revision again, whatever was removed'),
  broken(NoDuplicateCheck, 'lost duplicate check', 'answers the first receipt again for the same id and content'),
  broken(ForgetsRemovedIds, 'ids forgotten with their events', 'remembers ids after removal'),
  broken(IgnoresContent, 'overwriting retries', 'refuses the same id with other content'),
  broken(HalfBatches, 'non-atomic batch', 'stores nothing of a batch that is refused'),
  broken(LosesBatchTail, 'lost end of a batch', 'stores a batch at consecutive positions and answers the first'),
  broken(FallingStoredAt, 'falling storedAt', 'takes storedAt from its clock and never lets it fall'),
  broken(WrongOrder, 'wrong order', 'reads in position order, and backwards'),
  broken(SkipsBetweenPages, 'gap between pages', 'answers pages that meet without gap or overlap'),
  broken(HidesOldTimes, 'too narrow pushdown', 'narrows by id, type, entity, correlation, cause and time'),
  broken(ReordersKeys, 'reordered keys', 'gives back every plain payload and metadata exactly'),
  broken(ComposesTexts, 'normalised texts', 'gives back every plain payload and metadata exactly'),
  broken(SharesHistory, 'history that readers can change', 'lets no reader change history'),
  broken(NotDurable, 'no sync', 'goes on where it was when it is opened anew'),
  broken(FeedsTwice, 'feed duplicates', 'feeds every commit in position order, each event once'),
  broken(FeedsBeforeDurable, 'feed before durable', 'feeds events only when they can be read'),
  broken(FeedsSomeCommits, 'feed gaps', 'feeds every commit in position order, each event once'),
  broken(RemovesInSilence, 'unrecorded removal', 'records what was removed, when and why'),
  broken(RemovesTooMuch, 'removal of what lies between', 'removes ranges and says how many events went'),
  broken(
    CountsTheRemoved,
    'removed events in the size',
    'tells how many events there are and what they take, and that it shrinks',
  ),
  broken(
    RemovesUnheard,
    'removal that nobody hears of',
    'tells its listeners of what was removed and what was rewritten',
  ),
  broken(GivesTheRemoved, 'removed events by their ids', 'knows the id of a removed event and gives no event for it'),
  broken(RestartsWhenEmpty, 'revisions of an empty log', 'goes on rightly when all of it was removed'),
  broken(
    CountsFromTheStart,
    'pages by count instead of position',
    'gives readers each event that stays, once and in order, while others go: forwards',
  ),
  broken(RemovesAllThereIs, 'removal of what came meanwhile', 'takes appends while it removes, at the next positions'),
  broken(
    MixesTypesOfKeys,
    'index without numbers',
    'finds by kinds of entities and by values at paths, and nothing else',
  ),
  broken(LastPutWins, 'no compare-and-set', 'puts only over the etag that was read'),
  broken(StaleEtags, 'etag reuse', 'gives a new etag with every put'),
  broken(IgnoresFences, 'ignored fence', 'refuses the changes of a holder that was superseded'),
  broken(
    TakesOverWithoutIds,
    'ids lost in taking over',
    'takes over removals, and knows the ids and revisions of what was removed',
  ),
  broken(
    TakesOverWithoutReasons,
    'holes made in taking over',
    'takes over slice behind slice, and makes one log of them',
  ),
  broken(
    TellsRangesWhole,
    'tombstones beside the range',
    'lists of removed ranges what lies between two positions, as much as is asked for',
  ),
  broken(
    TellsRangesFromTheirStart,
    'tombstones of begun ranges lost',
    'lists of removed ranges what lies between two positions, as much as is asked for',
  ),
  broken(
    DropsQueueOnClose,
    'acknowledged and lost at close',
    'writes what is queued before it closes, and takes nothing more',
  ),
];

function broken(Fault: new () => Store, fault: string, caughtBy: string): BrokenStore {
  return { fault, caughtBy, create: () => new Fault() };
}
