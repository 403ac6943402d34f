// oxlint-disable eslint/no-underscore-dangle -- the underscore marks what a store brings and nobody else may call
import { systemClock, type Clock } from '../clock.ts';
import type { TelltaleError } from '../errors.ts';
import type { StoredEvent, TelltaleEvent } from '../event/event.ts';
import { isWellFormed } from '../event/well-formed.ts';
import { AppendQueue, type Commit } from './append-queue.ts';
import { checkImport } from './check-import.ts';
import { checkEvents, prepareAppends } from './check-events.ts';
import { CommitFeed } from './commit-feed.ts';
import { countSize } from './count-size.ts';
import { decide } from './decide.ts';
import { Documents } from './documents.ts';
import { FeedTail } from './feed-tail.ts';
import type { LookUps } from './gather-facts.ts';
import { LogChanges } from './log-changes.ts';
import { LoopTurns } from './loop-turns.ts';
import { behind, checkPageQuery, compileHints, fillPage, withHints } from './page-reader.ts';
import type * as Port from './port.ts';
import { checkRanges, intersects } from './ranges.ts';
import type { Range } from './ranges.ts';
import { rewritten } from './rewrite.ts';
import { StoreBackend } from './store-backend.ts';
import { StoreStatus } from './store-status.ts';
import { Syncing } from './syncing.ts';
import { aborted, unlessAborted } from './unless-aborted.ts';

const READ_EVENTS = 1_000;

/**
 * All that stores share: checks, lifecycle, append queue and group commit, decisions, cursors, residual filtering,
 * documents, the commit feed and error wrapping. A store brings the underscore methods; each is called only while the
 * store is open, with checked arguments.
 *
 * Order: `_append`, `_sync` and the steps of `_remove` and `_rewrite` never overlap one another; removals, rewrites and
 * document changes each run one by one.
 * Reads overlap anything: they must answer with whole commits.
 * Turns: a program that only ever waits for its store lets timers fire all the same, however fast that answers.
 * Failure: what an underscore method throws reaches the caller as `STORE_UNAVAILABLE` with its cause (a
 * `TelltaleError` as it is), and fails everything queued behind it. `STORE_FAILED` or `STORE_CORRUPT` out of a write
 * is fail-stop: the status becomes `failed`, no write is taken any more, reads go on.
 * Closing: `close` refuses new work, writes what is queued, then calls `_close`. A closed store may be opened again.
 */
export abstract class AbstractStore extends StoreBackend implements Port.Store {
  #clock: Clock = systemClock;
  readonly #turns = new LoopTurns({ monotonic: () => this.#clock.monotonic() });
  readonly #state = new StoreStatus(
    () => this.name,
    'store',
    () => this.#turns.next(),
  );
  readonly #feed = new CommitFeed();
  readonly #tail = new FeedTail(this.#feed, {
    head: () => this._head(),
    page: (query) => this.#page(query),
    note: (thrown) => void this.#state.note(thrown),
  });
  readonly #queue = new AppendQueue({
    commit: (appends) => this._commit(appends),
    answered: (commit) => this.#publish(commit),
    toFailure: (thrown) => this.#writeFailure(thrown),
    turn: () => this.#turns.next(),
  });
  readonly #documents = new Documents({
    read: (collection, key) => this.#state.call(() => this._document(collection, key)),
    write: (...put) => this.#state.call(() => this._putDocument(...put)),
    list: (collection) => this.#state.call(() => this._listDocuments(collection)),
    erase: (...which) => this.#state.call(() => this._deleteDocument(...which)),
    syncTo: (position) => this.#syncing.upTo(position),
  });
  readonly #syncing = new Syncing({
    head: () => this._head(),
    sync: async () => this._sync?.(),
    exclusive: (step) => this.#queue.exclusive(() => this.#write(step)),
  });
  readonly #changes = new LogChanges({
    documents: this.#documents,
    head: () => this._head(),
    removed: (range) => this._removed(range),
    remove: (ranges, reason, ...step) => this._remove(ranges, reason, this.#clock.now(), ...step),
    rewrite: (events, ...step) => this._rewrite(events, ...step),
    rewritten: (event) => this.#rewritten(event),
    exclusive: (step) => this.#queue.exclusive(() => this.#write(step)),
    toFailure: (thrown) => this.#writeFailure(thrown),
  });
  readonly #lookUps: LookUps = {
    find: (ids) => this._find(ids),
    revision: (entities) => this._revision(entities),
    page: (query) => this.#page(query),
  };
  #opening: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  /** Unknown before the first commit and after one whose end is not known. */
  #head: Port.Head | undefined;
  #unwatch: (() => void) | undefined;

  /** Wall and monotonic time, injected by `open`. */
  protected get clock(): Clock {
    return this.#clock;
  }

  /**
   * Decides and writes one group commit. A `shared` store overrides it, because there the decision belongs into the
   * transaction that writes; `decide` is at its service.
   */
  protected async _commit(appends: readonly Port.PendingAppend[]): Promise<Commit> {
    const head = (this.#head ??= await this._head());
    const prepared = prepareAppends(appends, this.supports.maxEventBytes);
    const at = { head, now: this.#clock.now(), durability: this.supports.durability };
    const decision = await decide(prepared, at, this.#lookUps);
    if (decision.records.length === 0) return decision;
    this.#head = undefined;
    await this._append(decision.records, decision.sizes);
    this.#head = decision.head;
    return decision;
  }

  /** For a store that drops events by itself, or sees another process do it: tells the listeners of `onRemove`. */
  protected tellRemoved(ranges: readonly Range[]): void {
    this.#changes.tell(ranges);
  }

  open(environment: Partial<Port.StoreEnvironment> = {}): Promise<void> {
    if (this.#state.is('closed')) {
      this.#state.become('opening');
      this.#opening = this.#open(environment);
    }
    return this.#opening!;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close().finally(() => (this.#closing = undefined));
    return this.#closing;
  }

  enqueue(append: Port.PendingAppend): void {
    if (this.#state.is('open')) this.#queue.push(append);
    else append.failed(this.#state.refusal());
  }

  async append(events: readonly TelltaleEvent[], options: Port.AppendOptions = {}): Promise<Port.AppendReceipt> {
    const { expect, signal } = options;
    this.#state.mustWrite();
    const { events: taken, bytes } = checkEvents(events, this.supports.maxEventBytes);
    if (signal?.aborted) throw aborted(signal);
    const appended = new Promise<Port.AppendReceipt>((acknowledged, failed) => {
      // Every append has the same shape: `'any'` is what no expectation means.
      const asked = { events: taken, bytes, expect: expect ?? 'any', fresh: false, admitted: true };
      this.enqueue({ ...asked, acknowledged, failed });
    });
    return signal === undefined ? appended : unlessAborted(appended, signal);
  }

  async page(query: Port.PageQuery): Promise<Port.Page> {
    this.#state.mustRead();
    return this.#page(query);
  }

  async *read(query: Partial<Port.PageQuery> = {}): AsyncGenerator<StoredEvent, void, undefined> {
    const through = query.through ?? (await this.head()).position;
    let left = withHints(checkPageQuery({ after: 0, descending: false, limit: READ_EVENTS, ...query, through }));
    const matches = compileHints(query);
    for (;;) {
      this.#state.mustRead();
      const page = await fillPage((raw) => this.#state.call(() => this._read(raw)), left, matches);
      yield* page.events;
      if (page.done) return;
      left = behind(left, page.looked);
    }
  }

  async summarize(query: Port.TallyQuery): Promise<Port.TallyPart | undefined> {
    this.#state.mustRead();
    return this.#state.call(async () => this._summarize?.(withHints(query)));
  }

  async head(): Promise<Port.Head> {
    this.#state.mustRead();
    return this.#state.call(() => this._head());
  }

  async find(ids: readonly string[]): Promise<ReadonlyMap<string, Port.KnownId>> {
    this.#state.mustRead();
    // Nothing stored has another one; a database may refuse it, or take it for another.
    return this.#state.call(() => this._find(ids.filter(isWellFormed)));
  }

  async revision(entity: string): Promise<number> {
    this.#state.mustRead();
    if (!isWellFormed(entity)) return 0;
    return (await this.#state.call(() => this._revision([entity]))).get(entity) ?? 0;
  }

  async remove(ranges: readonly Range[], reason: string, fence?: Port.Fence): Promise<number> {
    this.#state.mustWrite();
    checkRanges(ranges, reason);
    return this.#changes.remove(ranges, reason, fence);
  }

  async removed(range: Range = { from: 1, to: Infinity }): Promise<readonly Port.RemovedRange[]> {
    this.#state.mustRead();
    const removals = await this.#state.call(() => this._removed(range));
    return removals.filter((removal) => intersects(removal, range));
  }

  async rewrite(events: readonly StoredEvent[], fence?: Port.Fence): Promise<void> {
    this.#state.mustWrite();
    return this.#changes.rewrite(events, fence);
  }

  async takeOver(slice: Port.ImportSlice): Promise<void> {
    this.#state.mustWrite();
    this.#state.mustHave('_import', '_import' in this);
    await this.#queue.exclusive(() => this.#write(() => this.#takeOver(slice)));
  }

  async tombstones(range: Range, limit: number): Promise<readonly Port.Tombstone[]> {
    this.#state.mustRead();
    return this.#state.call(async () => (await this._tombstones?.(range, limit)) ?? []);
  }

  async collections(): Promise<readonly string[]> {
    this.#state.mustRead();
    this.#state.mustHave('_collections', '_collections' in this);
    return this.#state.call(() => this._collections!());
  }

  async document(collection: string, key: string): Promise<Port.StoredDocument | undefined> {
    this.#state.mustRead();
    return this.#documents.read(collection, key);
  }

  async putDocument(collection: string, key: string, value: unknown, options: Port.PutOptions = {}): Promise<string> {
    this.#state.mustWrite();
    return this.#documents.put(collection, key, value, options);
  }

  async listDocuments(collection: string): Promise<readonly Port.StoredDocument[]> {
    this.#state.mustRead();
    return this.#documents.list(collection);
  }

  async deleteDocument(collection: string, key: string, etag?: string): Promise<boolean> {
    this.#state.mustWrite();
    return this.#documents.erase(collection, key, etag);
  }

  onCommit(listener: Port.CommitListener): () => void {
    return this.#feed.on(listener);
  }

  onRemove(listener: Port.RemovalListener): () => void {
    return this.#changes.on(listener);
  }

  async size(): Promise<Port.StoreSize> {
    this.#state.mustRead();
    return this.#state.call(() => this._size?.() ?? countSize(this.read()));
  }

  async sync(): Promise<void> {
    this.#state.mustWrite();
    await this.#syncing.now();
  }

  health(): Port.StoreHealth {
    const { lastError } = this.#state;
    return {
      status: this.#state.word,
      durability: this.supports.durability,
      queued: this.#queue.events,
      notices: [],
      ...this._health(),
      ...(lastError === undefined ? {} : { lastError }),
    };
  }

  async #open(environment: Partial<Port.StoreEnvironment>): Promise<void> {
    this.#clock = environment.clock ?? systemClock;
    try {
      await this._open();
      const head = await this._head().catch(async (thrown: unknown) => {
        await this._close().catch(() => undefined); // Why it was not opened says more.
        throw thrown;
      });
      this.#feed.start(head.position);
    } catch (thrown) {
      this.#state.become('closed');
      throw this.#state.wrap(thrown);
    }
    this.#head = undefined;
    this.#syncing.start();
    this.#state.become('open');
    if (this.supports.operations.includes('watch')) this.#unwatch = this._watch?.(() => this.#tail.wake());
  }

  async #close(): Promise<void> {
    // The caller of `open` is told.
    if (this.#state.is('opening')) await this.#opening!.catch(() => undefined);
    if (this.#state.is('closed')) return;
    this.#state.become('closing');
    this.#unwatch?.();
    await this.#changes.idle();
    await this.#documents.inTurn(() => this.#queue.idle());
    await this.#tail.idle();
    try {
      await this.#state.call(() => this._close());
    } finally {
      this.#state.become('closed');
    }
  }

  #page(query: Port.PageQuery): Promise<Port.Page> {
    const hinted = withHints(checkPageQuery(query));
    return fillPage((raw) => this.#state.call(() => this._read(raw)), hinted, compileHints(query));
  }

  async #takeOver(slice: Port.ImportSlice): Promise<void> {
    await checkImport(slice, await this._head(), this.#lookUps);
    this.#head = undefined;
    await this._import!(slice);
    await this.#publish({ records: slice.events, head: { position: slice.to, storedAt: slice.storedAt } });
  }

  async #rewritten(event: StoredEvent): Promise<StoredEvent> {
    const { position } = event;
    const page = await this.#page({ after: position - 1, through: position, descending: false, limit: 1 });
    return rewritten(page.events[0], event, this.supports.maxEventBytes);
  }

  async #publish(commit: Pick<Commit, 'records' | 'head'>): Promise<void> {
    // Where others write as well, what lies between is read while appends go on.
    const follows = commit.records[0]?.position === this.#feed.position + 1;
    if (follows || this.#unwatch === undefined) await this.#tail.publish(commit);
    else this.#tail.wake();
  }

  async #write<T>(operation: () => Promise<T>): Promise<T> {
    try {
      return await operation();
    } catch (thrown) {
      throw this.#writeFailure(thrown);
    }
  }

  #writeFailure(thrown: unknown): TelltaleError {
    // What was written is not known any more.
    this.#head = undefined;
    return this.#state.noteWrite(thrown);
  }
}
