import { resolve } from 'node:path';
import {
  AbstractStore,
  FreeSpace,
  MAX_EVENT_BYTES,
  expected,
  lookingUp,
  prepareAppends,
  pushdownOf,
  show,
} from '../../lib/plugin.ts';
import type {
  Between,
  BlockBuilder,
  Commit,
  Durability,
  Fence,
  Head,
  ImportSlice,
  KnownId,
  Page,
  PageQuery,
  PendingAppend,
  Range,
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
import type { Batch } from './appender.ts';
import { removeRanges, rewriteEvents } from './changes.ts';
import type { ChangeContext } from './changes.ts';
import type { Connection } from './connection.ts';
import { closeConnections, durabilityOf, openConnections } from './connections.ts';
import type { Connections } from './connections.ts';
import { deleteDocument, listCollections, listDocuments, putDocument, readDocument } from './documents.ts';
import { sqliteCode } from './driver.ts';
import type { SqliteDriver } from './driver.ts';
import { toFailure } from './failure.ts';
import { bytesOf, freeBytes } from './file.ts';
import { importSlice } from './importing.ts';
import { unusablePaths } from './keys.ts';
import { readLog } from './log.ts';
import { findIds, findRevisions } from './lookup.ts';
import type { ParsedOptions } from './options.ts';
import { packAppends, packEvents } from './packing.ts';
import { buildPaths } from './path-builder.ts';
import { Reading } from './reading.ts';
import { readRemovals } from './removals.ts';
import { SearchBlocks, hasSearch, searchBuilder } from './search.ts';
import { tallyPart } from './tallying.ts';
import { readTombstones } from './tombstones.ts';
import { transactionOf } from './transactions.ts';
import { FileWatch } from './watching.ts';
import type { Writer } from './writer.ts';

type Prepared = Pick<Batch, 'prepared' | 'packed'>;

/**
 * The log of one SQLite file, shared with whatever other processes have it open.
 *
 * Order: whoever has the file's lock decides and writes; a group commit is one transaction.
 * Failure: a failed sync and a damaged file stop the store for good; anything else can be tried again.
 * Closing: gives both connections back; nothing is kept in memory.
 */
export class SqliteStore extends AbstractStore {
  readonly name: string;
  readonly #path: string;
  readonly #options: ParsedOptions;
  readonly #loadDriver: () => SqliteDriver;
  readonly #watch: FileWatch;
  readonly #free = new FreeSpace(() => freeBytes(this.#path));
  #durability: Durability;
  #connections: Connections | undefined;
  #reading!: Reading;
  #appender!: Appender;
  #building: Promise<void> = Promise.resolve();
  #texts: BlockBuilder | undefined;
  #isClosing = false;
  #wake: (() => void) | undefined;
  #notices: string[] = [];

  constructor(path: string, options: ParsedOptions, loadDriver: () => SqliteDriver) {
    super();
    this.#path = resolve(path);
    this.#options = options;
    this.#loadDriver = loadDriver;
    this.#durability = options.durability;
    this.#watch = new FileWatch({
      reader: () => this.#connections?.reader,
      pollMs: options.pollMs,
      changed: (ranges) => this.tellRemoved(ranges),
    });
    this.name = `sqlite ${path}`;
  }

  get supports(): StoreSupports {
    return {
      durability: this.#durability,
      shared: true,
      maxEventBytes: MAX_EVENT_BYTES,
      readOnly: this.#options.readOnly,
      pushdown: pushdownOf(this.#options),
      operations: this.#options.readOnly
        ? ['watch', 'summarize']
        : ['watch', 'import', 'sync', 'transaction', 'summarize'],
    };
  }

  /** Targets in the file take part in it; what they wrote is seen by the next look at the file, or at once. */
  readonly transactions: StoreTransactions = {
    isOurs: (tx) => {
      const path = transactionOf(tx)?.path;
      return path !== undefined && path === this.#connections?.file.realPath;
    },
    append: async (tx, appends) => {
      const batch = await this.#prepare(appends);
      const handed = transactionOf(tx)!;
      handed.mustGoOn();
      const { connection } = handed;
      return this.#decide(connection, batch, durabilityOf(connection));
    },
    committed: () => this.#wake?.(),
  };

  /** Resolves when new paths and texts have their index. @internal */
  async idle(): Promise<void> {
    await Promise.all([this.#building, this.#texts?.idle()]);
  }

  /**
   * Runs `work` in a transaction of the log's file: what it writes there and what it appends stand or fall together.
   * `append` answers what its appends come to once the transaction is committed. @internal
   */
  async transaction<T>(
    work: (connection: Connection, append: (appends: readonly PendingAppend[]) => Promise<Commit>) => T | Promise<T>,
  ): Promise<T> {
    return this.#guard(() =>
      this.#writer.transaction((connection) =>
        work(connection, async (appends) => this.#decide(connection, await this.#prepare(appends))),
      ),
    );
  }

  protected async _open(): Promise<void> {
    this.#connections = await openConnections(this.#loadDriver(), this.#path, this.#options);
    try {
      await this.#guard(() => this.#start(this.#connections!));
    } catch (error) {
      // Why it was not opened says more.
      await this._close().catch(() => undefined);
      throw error;
    }
  }

  protected async _close(): Promise<void> {
    this.#isClosing = true;
    await Promise.all([this.#building, this.#texts?.stop()]);
    const connections = this.#connections!;
    this.#connections = undefined;
    await this.#guard(() => closeConnections(connections));
  }

  protected override async _commit(appends: readonly PendingAppend[]): Promise<Commit> {
    return this.#guard(async () => {
      const writer = this.#writer;
      const batch = await this.#prepare(appends);
      try {
        const commit = await writer.transaction((connection) => this.#decide(connection, batch));
        this.#texts?.reached(commit.head.position);
        return commit;
      } catch (error) {
        if (sqliteCode(error) !== 'CONSTRAINT') throw error;
        // An id that was said to be new is not: now all of them are looked up.
        return writer.transaction((connection) =>
          this.#decide(connection, { ...batch, prepared: lookingUp(batch.prepared) }),
        );
      }
    });
  }

  protected async _append(): Promise<never> {
    throw expected('NOT_SUPPORTED', 'an append', 'decided in its transaction', 'apart from it');
  }

  protected _read(query: PageQuery): Promise<Page> {
    return this.#guard(() => this.#reading.page(query));
  }

  protected override _summarize(query: TallyQuery): Promise<TallyPart | undefined> {
    return this.#read((reader) => tallyPart(reader, query));
  }

  protected async _head(): Promise<Head> {
    const { position, storedAt } = await this.#read(readLog);
    return { position, storedAt };
  }

  protected _find(ids: readonly string[]): Promise<ReadonlyMap<string, KnownId>> {
    return this.#read((reader) => findIds(reader, ids));
  }

  protected _revision(entities: readonly string[]): Promise<ReadonlyMap<string, number>> {
    return this.#read((reader) => findRevisions(reader, entities));
  }

  protected async _remove(
    ranges: readonly Range[],
    reason: string,
    at: number,
    between: Between,
    fence: Fence | undefined,
  ): Promise<number> {
    const removed = await this.#guard(() => removeRanges(this.#change(between, fence), ranges, { reason, at }));
    this.#texts?.look();
    return removed;
  }

  protected _removed(range: Range): Promise<readonly RemovedRange[]> {
    return this.#read((reader) => readRemovals(reader, range));
  }

  protected async _rewrite(events: readonly StoredEvent[], between: Between, fence: Fence | undefined): Promise<void> {
    await this.#guard(() => rewriteEvents(this.#change(between, fence), events));
    this.#texts?.look();
  }

  protected override async _import(slice: ImportSlice): Promise<void> {
    await this.#guard(async () => {
      const packed = await packEvents(slice.events, this.#options.compressAbove);
      await this.#writer.transaction((connection) => importSlice(connection, this.#appender, slice, packed));
      this.#texts?.reached(slice.to);
    });
  }

  protected override _tombstones(range: Range, limit: number): Promise<readonly Tombstone[]> {
    return this.#read((reader) => readTombstones(reader, range, limit));
  }

  protected override _collections(): Promise<readonly string[]> {
    return this.#read(listCollections);
  }

  protected _document(collection: string, key: string): Promise<StoredDocument | undefined> {
    return this.#read((reader) => readDocument(reader, collection, key));
  }

  protected _putDocument(
    collection: string,
    key: string,
    value: unknown,
    etag: string | null | undefined,
    named: number,
    fence: Fence | undefined,
  ): Promise<string | undefined> {
    const put = { collection, key, text: JSON.stringify(value), etag, named, fence };
    return this.#guard(() => this.#writer.transaction((connection) => putDocument(connection, put)));
  }

  protected _listDocuments(collection: string): Promise<readonly StoredDocument[]> {
    return this.#read((reader) => listDocuments(reader, collection));
  }

  protected _deleteDocument(collection: string, key: string, etag: string | undefined): Promise<boolean> {
    return this.#guard(() =>
      this.#writer.transaction((connection) => deleteDocument(connection, collection, key, etag)),
    );
  }

  protected override async _size(): Promise<StoreSize> {
    const { events, bytes } = await this.#read(readLog);
    return { events, storedBytes: await bytesOf(this.#connections!.file.realPath), originalBytes: bytes };
  }

  /** Syncs what was written without: a sync of the write-ahead log takes along all that is in it. */
  protected override async _sync(): Promise<void> {
    if (this.#options.durability === 'disk') return;
    await this.#guard(async () => {
      const writer = this.#writer;
      await writer.between((connection) => connection.exec('PRAGMA synchronous = FULL'));
      try {
        await writer.transaction((connection) => connection.run('UPDATE telltale_log SET puts = puts'));
      } finally {
        await writer.between((connection) => connection.exec('PRAGMA synchronous = NORMAL'));
      }
    });
  }

  protected override _watch(wake: () => void): () => void {
    this.#wake = wake;
    return this.#watch.poll(this.clock, wake);
  }

  protected override _health(): Partial<StoreHealth> {
    const notices = [...this.#notices, ...(this.#texts?.notices ?? [])];
    const change = this.#connections?.file.change;
    const told = change === undefined ? {} : { status: 'failed' as const, notices: [...notices, change] };
    return { notices, ...told, ...this.#free.figures(this.clock.monotonic()) };
  }

  async #start(connections: Connections): Promise<void> {
    const { reader, durability } = connections;
    const { readOnly } = this.#options;
    this.#durability = readOnly ? this.#options.durability : durability;
    this.#notices = this.#durability === this.#options.durability ? [] : ['SQLite does not sync as it was told to'];
    for (const path of unusablePaths(reader))
      this.#notices.push(`no query can follow ${show(path)}, a path of \`index\``);
    const search = hasSearch(reader) ? new SearchBlocks(reader) : undefined;
    this.#reading = new Reading({ connection: reader, check: this.#options.checkOnRead, search });
    this.#appender = new Appender();
    this.#watch.start(reader);
    this.#isClosing = false;
    this.#building = readOnly ? Promise.resolve() : this.#build();
    this.#texts = this.#options.search ? searchBuilder(connections, this.clock) : undefined;
    await this.#free.look(this.clock.monotonic());
  }

  get #writer(): Writer {
    const writer = this.#connections?.writer;
    if (writer === undefined) throw expected('STORE_READ_ONLY', this.#path, 'opened for writing', 'readOnly: true');
    return writer.turns;
  }

  /** What need not be done while others wait for the lock. */
  async #prepare(appends: readonly PendingAppend[]): Promise<Prepared> {
    const prepared = prepareAppends(appends, MAX_EVENT_BYTES);
    return { prepared, packed: await packAppends(prepared.appends, this.#options.compressAbove) };
  }

  #decide(connection: Connection, batch: Prepared, durability = this.#durability): Promise<Commit> {
    return this.#appender.commit(connection, { ...batch, now: this.clock.now(), durability });
  }

  #change(between: Between, fence: Fence | undefined): ChangeContext {
    return {
      writer: this.#writer,
      appender: this.#appender,
      compressAbove: this.#options.compressAbove,
      between,
      fence,
      noted: (before, last) => this.#watch.noted(before, last),
    };
  }

  /** Never rejects: what is not built is built after the next opening, and queries do without. */
  async #build(): Promise<void> {
    try {
      await buildPaths(this.#writer, () => this.#isClosing);
    } catch (error) {
      this.#notices.push(`an index of \`index\` could not be built: ${String(error)}`);
    }
  }

  #read<T>(work: (reader: Connection) => T | Promise<T>): Promise<T> {
    return this.#guard(async () => work(this.#connections!.reader));
  }

  async #guard<T>(work: () => T | Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      const failure = toFailure(error, this.#path);
      if (failure.code === 'STORE_CORRUPT' && !this.#notices.includes(failure.message))
        this.#notices.push(failure.message);
      throw failure;
    }
  }
}
