import {
  AbstractStore,
  MAX_EVENT_BYTES,
  compileHints,
  expected,
  fillPage,
  prepareAppends,
  pushdownOf,
  withHints,
} from '../../lib/plugin.ts';
import type {
  Between,
  BlockBuilder,
  Commit,
  Damageable,
  Durability,
  Fence,
  Head,
  ImportSlice,
  KnownId,
  Page,
  PageQuery,
  PendingAppend,
  Range,
  Remains,
  RemovedRange,
  StoreHealth,
  StoreSize,
  StoreSupports,
  StoreTransactions,
  StoredDocument,
  StoredEvent,
  TallyPart,
  TallyQuery,
  Tombstone,
} from '../../lib/plugin.ts';
import { Appender } from './appender.ts';
import { ChangeLog } from './change-log.ts';
import { Changes } from './changes.ts';
import { Connections } from './connections.ts';
import { payloadIndex, wantedIndexes } from './ddl.ts';
import { DocumentTable, checkFence } from './documents.ts';
import type { PgClient } from './driver.ts';
import { lastingFailure, openingFailure } from './failures.ts';
import { Imports } from './imports.ts';
import { IndexBuilder } from './index-builder.ts';
import { inspect } from './inspection.ts';
import { Names } from './names.ts';
import { openTables } from './opening.ts';
import type { ParsedOptions } from './options.ts';
import { Partitions } from './partitions.ts';
import { Reader } from './reader.ts';
import { openRemains } from './remains.ts';
import { readRemoved } from './removals.ts';
import { searchBuilder } from './search.ts';
import { readTombstones } from './tombstones.ts';
import { isIn, transactionOf } from './transactions.ts';
import { Watcher } from './watcher.ts';

/** The log in a database: what belongs to PostgreSQL, put together behind the store port. */
export class PostgresStore extends AbstractStore {
  readonly name: string;
  readonly #options: ParsedOptions;
  readonly #connections: Connections;
  readonly #partitions: Partitions;
  readonly #appender: Appender;
  readonly #reader: Reader;
  readonly #changes: Changes;
  readonly #log: ChangeLog;
  readonly #imports: Imports;
  readonly #documents: DocumentTable;
  readonly #names: Names;
  #indexes: IndexBuilder | undefined;
  #texts: BlockBuilder | undefined;
  #watcher: Watcher | undefined;
  #wake: (() => void) | undefined;
  #stopping: Promise<void> | undefined;
  #durability: Durability = 'disk';

  constructor(options: ParsedOptions) {
    super();
    const { schema, tablePrefix, place, poolSize, timeoutMs, partitionEvents } = options;
    this.#options = options;
    this.name = `postgres ${schema}.${tablePrefix}events`;
    const names = new Names(schema, tablePrefix);
    this.#names = names;
    this.#connections = new Connections(place, poolSize, timeoutMs, (thrown) =>
      lastingFailure(thrown, this.name, names.plain('events_')),
    );
    this.#partitions = new Partitions(this.#connections, names, partitionEvents);
    this.#reader = new Reader({ ...options, indexPayload: options.indexPayload === true, names });
    this.#documents = new DocumentTable(this.#connections, names);
    const port = { connections: this.#connections, names, partitions: this.#partitions };
    this.#log = new ChangeLog(this.#connections, names, (ranges) => this.tellRemoved(ranges));
    this.#changes = new Changes({ ...port, log: this.#log });
    this.#imports = new Imports(port);
    this.#appender = new Appender({
      ...port,
      now: () => this.clock.now(),
      durability: () => this.#durability,
      lookUps: (session) => ({
        find: (ids) => this.#reader.find(session, ids),
        revision: (entities) => this.#reader.revisions(session, entities),
        page: (query) => fillPage((raw) => this.#reader.page(session, raw), withHints(query), compileHints(query)),
      }),
    });
  }

  get supports(): StoreSupports {
    return {
      durability: this.#durability,
      shared: true,
      maxEventBytes: MAX_EVENT_BYTES,
      pushdown: pushdownOf(this.#options),
      readOnly: this.#options.readOnly,
      operations: this.#options.readOnly ? ['watch', 'summarize'] : ['watch', 'transaction', 'import', 'summarize'],
    };
  }

  /**
   * Appends within a transaction that the caller has begun at READ COMMITTED on a client of `pg`, and commits: what is
   * written is there with whatever else the transaction does, or not at all. Until it ends every other writer waits.
   * An outcome that is a duplicate or an error has written nothing; anything thrown leaves the transaction to be rolled
   * back. Call `committed` afterwards.
   */
  async appendWithin(client: PgClient, appends: readonly PendingAppend[]): Promise<Commit> {
    this.#mustWrite();
    const prepared = prepareAppends(appends, MAX_EVENT_BYTES);
    const commit = await this.#appender.decideWithin(await this.#connections.sessionWithin(client), prepared);
    // In time: whoever finds no partition waits for another connection, with everybody behind it.
    if (commit.records.length > 0) this.#partitions.reached(commit.head.position);
    return commit;
  }

  /** Tells this process's listeners, and other processes, of what `appendWithin` wrote, now that it is committed. */
  committed(): void {
    this.#wake?.();
    this.#watcher?.notify();
  }

  /** Targets in the same database take part in it. */
  readonly transactions: StoreTransactions = {
    isOurs: async (tx) => {
      const theirs = transactionOf(tx);
      return theirs !== undefined && isIn(theirs, this.#connections);
    },
    append: (tx, appends) => this.appendWithin(transactionOf(tx)!.client, appends),
    committed: () => this.committed(),
  };

  /** What is wrong with the tables of the open log. @internal */
  inspect(): ReturnType<Damageable['inspect']> {
    return inspect(this.#connections, this.#names);
  }

  /** What is left of a damaged log, which must not be open. @internal */
  remains(): Promise<Remains> {
    return openRemains(this.#connections, this.#names);
  }

  /** Resolves when new paths and texts have their index. @internal */
  async idle(): Promise<void> {
    await Promise.all([this.#indexes?.idle(), this.#texts?.idle()]);
  }

  /** Ends an opening that still waits for the server, too. */
  override close(): Promise<void> {
    if (this.health().status === 'opening') this.#connections.abandon();
    return super.close();
  }

  protected async _open(): Promise<void> {
    const { schema, search, readOnly } = this.#options;
    await this.#stopping;
    try {
      await this.#connections.open();
      const port = { connections: this.#connections, names: this.#names, partitions: this.#partitions };
      this.#partitions.forget();
      const opened = await openTables({ ...this.#options, ...port });
      this.#durability = opened.durability;
      await this.#log.start();
      this.#reader.searches(search && opened.hasSearch);
      this.#texts = search && !readOnly ? searchBuilder({ ...port, clock: this.clock }) : undefined;
      this.#indexes = this.#indexed();
      // Last, because it goes on in the background: an opening that fails leaves nobody at work and no new index.
      await this.#indexes.start();
      this.#texts?.look();
    } catch (error) {
      await this.#connections.close();
      throw openingFailure(error, `PostgreSQL, schema ${schema}`);
    }
  }

  protected async _close(): Promise<void> {
    await this.#connections.close(async () => {
      await this.#stopping;
      await Promise.all([this.#indexes?.stop(), this.#texts?.stop()]);
      await this.#partitions.idle();
      await this.#log.idle();
    });
  }

  protected override async _commit(appends: readonly PendingAppend[]): Promise<Commit> {
    this.#mustWrite();
    const commit = await this.#appender.commit(prepareAppends(appends, MAX_EVENT_BYTES));
    if (commit.records.length === 0) return commit;
    this.#watcher?.notify();
    this.#partitions.reached(commit.head.position);
    this.#texts?.reached(commit.head.position);
    return commit;
  }

  /** Never called: commits are decided where they are written. */
  protected _append(): Promise<void> {
    return Promise.reject(new Error('appends of this store are decided in its own transaction'));
  }

  protected _read(query: PageQuery): Promise<Page> {
    return this.#reader.page(this.#connections, query);
  }

  protected override _summarize(query: TallyQuery): Promise<TallyPart | undefined> {
    return this.#reader.tally(this.#connections, query);
  }

  protected _head(): Promise<Head> {
    return this.#reader.head(this.#connections);
  }

  protected _find(ids: readonly string[]): Promise<ReadonlyMap<string, KnownId>> {
    return this.#reader.find(this.#connections, ids);
  }

  protected _revision(entities: readonly string[]): Promise<ReadonlyMap<string, number>> {
    return this.#reader.revisions(this.#connections, entities);
  }

  protected async _remove(
    ranges: readonly Range[],
    reason: string,
    at: number,
    between: Between,
    fence: Fence | undefined,
  ): Promise<number> {
    this.#mustWrite();
    const removed = await this.#changes.remove(ranges, { reason, at, fence }, between);
    this.#watcher?.notify('changes');
    this.#texts?.look();
    return removed;
  }

  protected _removed(range: Range): Promise<readonly RemovedRange[]> {
    return readRemoved(this.#connections, this.#names, range);
  }

  protected async _rewrite(events: readonly StoredEvent[], between: Between, fence: Fence | undefined): Promise<void> {
    this.#mustWrite();
    await this.#changes.rewrite(events, between, fence);
    this.#watcher?.notify('changes');
    this.#texts?.look();
  }

  protected override async _import(slice: ImportSlice): Promise<void> {
    this.#mustWrite();
    await this.#imports.take(slice);
    this.#texts?.reached(slice.to);
  }

  protected override _tombstones(range: Range, limit: number): Promise<readonly Tombstone[]> {
    return readTombstones(this.#connections, this.#names, range, limit);
  }

  protected override _collections(): Promise<readonly string[]> {
    return this.#documents.collections();
  }

  protected _document(collection: string, key: string): Promise<StoredDocument | undefined> {
    return this.#documents.get(collection, key);
  }

  protected async _putDocument(
    collection: string,
    key: string,
    value: unknown,
    etag: string | null | undefined,
    _named: number,
    fence: Fence | undefined,
  ): Promise<string | undefined> {
    this.#mustWrite();
    if (fence === undefined) return this.#documents.put(collection, key, value, etag);
    return this.#connections.transaction(async (session) => {
      await checkFence(session, this.#names, fence);
      return new DocumentTable(session, this.#names).put(collection, key, value, etag);
    });
  }

  protected _listDocuments(collection: string): Promise<readonly StoredDocument[]> {
    return this.#documents.list(collection);
  }

  protected async _deleteDocument(collection: string, key: string, etag: string | undefined): Promise<boolean> {
    this.#mustWrite();
    return this.#documents.remove(collection, key, etag);
  }

  protected override _size(): Promise<StoreSize> {
    return this.#reader.size(this.#connections);
  }

  protected override _watch(wake: () => void): () => void {
    const { pollMs, timeoutMs } = this.#options;
    const { channel } = this.#names;
    const watcher = new Watcher(
      { connections: this.#connections, channel, clock: this.clock, pollMs, timeoutMs },
      (what) => {
        if (what === 'all') this.#log.look();
        wake();
      },
    );
    this.#watcher = watcher;
    this.#wake = wake;
    return () => {
      this.#wake = undefined;
      this.#watcher = undefined;
      this.#stopping = watcher.stop();
    };
  }

  protected override _health(): Partial<Pick<StoreHealth, 'connections' | 'notices'>> {
    const parts = [this.#indexes, this.#texts, this.#watcher];
    const notices = parts.flatMap((part) => part?.notices ?? []);
    return { connections: this.#connections.figures, notices };
  }

  #mustWrite(): void {
    if (this.#options.readOnly) throw expected('STORE_READ_ONLY', this.name, 'opened for writing', 'readOnly: true');
  }

  #indexed(): IndexBuilder {
    const { index, indexPayload, readOnly } = this.#options;
    return new IndexBuilder({
      connections: this.#connections,
      names: this.#names,
      clock: this.clock,
      wanted: wantedIndexes(this.#names, index, indexPayload === true),
      unwanted: indexPayload === false ? [payloadIndex(this.#names)] : [],
      readOnly,
      ready: (paths) => this.#reader.hasIndexes(paths),
    });
  }
}
