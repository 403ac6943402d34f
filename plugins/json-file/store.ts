import { join, resolve } from 'node:path';
import {
  AbstractStore,
  FreeSpace,
  MAX_EVENT_BYTES,
  TelltaleError,
  Turns,
  expected,
  indexedPaths,
} from '../../lib/plugin.ts';
import type {
  Between,
  Head,
  ImportSlice,
  KnownId,
  Page,
  PageQuery,
  RemovedRange,
  StoreSize,
  StoreSupports,
  StoredDocument,
  StoredEvent,
  Tombstone,
} from '../../lib/plugin.ts';
import { Appender } from './appender.ts';
import { Compressor } from './compressor.ts';
import { DocumentFiles } from './documents.ts';
import type { FileSystem } from './file-system.ts';
import { checkFolder, inFolder } from './folder.ts';
import { Follower } from './follower.ts';
import { HandlePool } from './handle-pool.ts';
import { SyncFailure } from './io.ts';
import { joinSmall } from './join.ts';
import { acquireLock } from './lock.ts';
import type { Lock } from './lock.ts';
import { Log } from './log.ts';
import { writeManifest } from './manifest.ts';
import type { ParsedOptions } from './options.ts';
import { recover } from './recovery.ts';
import { removeRanges, rewriteEvents } from './rewrite.ts';
import type { Change } from './rewrite.ts';
import { SectionCache } from './section-cache.ts';
import { takeOver } from './take-over.ts';

const LOCK = 'lock';
const OPEN_FILES = 64;
/** How long a writer may go on without asking whether the folder is still there and its own. */
const LOOK_EVERY_MS = 1_000;
/** Taking over a log begins a segment with each stretch; so many are joined again. */
const MANY_SEGMENTS = 32;

/** Memory for what is read of index files: sections come and go, filters stay. */
export const LIMITS: { readonly indexCacheBytes: number; readonly filterBytes: number } = {
  indexCacheBytes: 64 * 1024 * 1024,
  filterBytes: 64 * 1024 * 1024,
};

/**
 * The log of one folder. Order, atomicity and failure are the appender's contract, opening is recovery's, reading the
 * log's; here they are put together behind the store port.
 */
export class JsonFileStore extends AbstractStore {
  readonly name: string;
  readonly supports: StoreSupports;
  readonly #folder: string;
  readonly #options: ParsedOptions;
  readonly #fs: FileSystem;
  readonly #opener: string;
  readonly #limits: typeof LIMITS;
  readonly #free = new FreeSpace(() => this.#fs.freeBytes(this.#folder));
  #lock: Lock | undefined;
  #lookedAt = -Infinity;
  #log!: Log;
  #appender!: Appender;
  #compressor!: Compressor;
  #follower: Follower | undefined;
  #documents!: DocumentFiles;
  #notices: string[] = [];
  #begun = 0;

  constructor(folder: string, options: ParsedOptions, fs: FileSystem, opener: string, limits = LIMITS) {
    super();
    this.#limits = limits;
    this.#folder = resolve(folder);
    this.#options = options;
    this.#fs = fs;
    this.#opener = opener;
    this.name = `json-file ${folder}`;
    this.supports = {
      durability: options.durability,
      shared: false,
      maxEventBytes: MAX_EVENT_BYTES,
      readOnly: options.readOnly,
      pushdown: ['ids', 'types', 'entity', 'correlationId', 'causationId', 'time'],
      operations: options.readOnly ? ['watch'] : ['sync', 'import'],
    };
  }

  /** Resolves when indexes are written and segments are packed. @internal */
  async idle(): Promise<void> {
    await this.#appender.settled();
    await this.#compressor.idle();
    await this.#appender.settled();
  }

  protected async _open(): Promise<void> {
    const { readOnly, create, force } = this.#options;
    this.#notices = [];
    this.#lookedAt = -Infinity;
    this.#build();
    await checkFolder(this.#fs, this.#folder, create && !readOnly);
    if (readOnly) return this.#follow();
    const path = join(this.#folder, LOCK);
    this.#lock = await inFolder(this.#folder, () => acquireLock(this.#fs, path, { force, opener: this.#opener }));
    try {
      await this.#recover();
    } catch (error) {
      // Why it was not opened says more.
      await this._close().catch(() => undefined);
      throw error;
    }
  }

  protected async _close(): Promise<void> {
    try {
      await this.#compressor.close();
      await this.#appender.close();
      await this.#log.context.handles.close();
    } finally {
      await this.#lock?.release();
      this.#lock = undefined;
    }
  }

  protected async _append(records: readonly StoredEvent[], sizes: readonly number[]): Promise<void> {
    this.#mustWrite();
    if (this.clock.monotonic() - this.#lookedAt >= LOOK_EVERY_MS) await this.#look();
    await this.#appender.append(records, sizes);
  }

  protected _read(query: PageQuery): Promise<Page> {
    return this.#log.read(query);
  }

  protected async _head(): Promise<Head> {
    await this.#follower?.catchUp();
    return this.#log.head;
  }

  protected _find(ids: readonly string[]): Promise<ReadonlyMap<string, KnownId>> {
    return this.#log.find(ids);
  }

  protected _revision(entities: readonly string[]): Promise<ReadonlyMap<string, number>> {
    return this.#log.revisions(entities);
  }

  protected async _remove(
    ranges: readonly { from: number; to: number }[],
    reason: string,
    at: number,
    between: Between,
  ): Promise<number> {
    const removed = await removeRanges(this.#change(between), ranges, reason, at);
    await this.#tidy(between);
    return removed;
  }

  protected _removed(range: { readonly from: number; readonly to: number }): Promise<readonly RemovedRange[]> {
    return this.#log.removed(range);
  }

  protected async _rewrite(events: readonly StoredEvent[], between: Between): Promise<void> {
    await rewriteEvents(this.#change(between), events);
    await this.#tidy(between);
  }

  protected override async _import(slice: ImportSlice): Promise<void> {
    await this.#mustOwn();
    this.#begun += await takeOver(this.#log, this.#appender, slice);
    if (this.#begun < MANY_SEGMENTS) return;
    this.#begun = 0;
    await this.#tidy((step) => step());
  }

  protected override _tombstones(
    range: { readonly from: number; readonly to: number },
    limit: number,
  ): Promise<readonly Tombstone[]> {
    return this.#log.tombstones(range, limit);
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
    named: number,
  ): Promise<string | undefined> {
    await this.#mustOwn();
    return this.#appender.guard(() => this.#documents.put(collection, key, value, etag, named));
  }

  protected _listDocuments(collection: string): Promise<readonly StoredDocument[]> {
    return this.#documents.list(collection);
  }

  protected async _deleteDocument(collection: string, key: string, etag: string | undefined): Promise<boolean> {
    await this.#mustOwn();
    return this.#appender.guard(() => this.#documents.remove(collection, key, etag));
  }

  protected override async _sync(): Promise<void> {
    await this.#mustOwn();
    await this.#appender.sync();
  }

  protected override _size(): Promise<StoreSize> {
    return this.#log.size();
  }

  protected override _watch(wake: () => void): () => void {
    const unwatch = this.#fs.watch(this.#folder, wake);
    let cancel: (() => void) | undefined;
    const poll = (): void => {
      cancel = this.clock.after(this.#options.pollMs, () => {
        wake();
        poll();
      });
    };
    poll();
    return () => {
      unwatch();
      cancel?.();
    };
  }

  protected override _health(): { diskFreeBytes?: number; notices: readonly string[] } {
    return { notices: this.#notices, ...this.#free.figures(this.clock.monotonic()) };
  }

  #build(): void {
    const fs = this.#fs;
    const { readOnly, index, durability, segmentBytes, segmentEvents } = this.#options;
    const cache = new SectionCache(this.#limits.indexCacheBytes, this.#limits.filterBytes);
    const noticed = (notice: string): void => void this.#notices.push(notice);
    this.#log = new Log({
      fs,
      folder: this.#folder,
      paths: indexedPaths(index),
      cache,
      handles: new HandlePool(fs, OPEN_FILES),
      readOnly,
      indexTurns: new Turns(),
      noticed,
    });
    this.#documents = new DocumentFiles(fs, this.#folder, readOnly);
    this.#appender = new Appender(this.#log, this.clock, {
      durability,
      segmentBytes,
      segmentEvents,
      sealed: () => this.#sealed(),
      noticed,
    });
    this.#compressor = new Compressor(this.#log, this.#appender, () =>
      this.#appender.alone(() => this.#rememberSealed()),
    );
  }

  async #follow(): Promise<void> {
    this.#follower = new Follower(this.#log, (ranges) => this.tellRemoved(ranges));
    await this.#documents.open();
    await this.#follower.open();
    await this.#free.look(this.clock.monotonic());
  }

  async #recover(): Promise<void> {
    await this.#documents.open();
    const { notices } = await recover(this.#log, this.#appender, this.clock, this.#documents.named);
    this.#notices.push(...notices);
    if (this.#options.compress) this.#compressor.wake();
    await this.#free.look(this.clock.monotonic());
  }

  async #sealed(): Promise<void> {
    await this.#rememberSealed();
    if (this.#options.compress) this.#compressor.wake();
  }

  #change(between: Between): Change {
    const { compress } = this.#options;
    const owned: Between = (step) => between(() => this.#mustOwn().then(step));
    return { log: this.#log, appender: this.#appender, between: owned, compress };
  }

  async #tidy(between: Between): Promise<void> {
    const { segmentEvents, segmentBytes } = this.#options;
    await joinSmall(this.#change(between), { records: segmentEvents, bytes: segmentBytes });
    await this.#appender.alone(() => this.#rememberSealed());
  }

  /** The manifest only saves questions at the next opening, so that it cannot be written is no more than a notice. */
  async #rememberSealed(): Promise<void> {
    const sealed = this.#log.segments.slice(0, -1).map((segment) => segment.facts());
    try {
      await this.#appender.guard(() => writeManifest(this.#fs, this.#folder, sealed));
    } catch (error) {
      if (error instanceof SyncFailure || error instanceof TelltaleError) throw error;
      this.#notices.push(`the manifest could not be written: ${String(error)}`);
    }
  }

  /** A segment in the folder that is not as long as it was written is not the one that is being written to. */
  async #look(): Promise<void> {
    const now = this.clock.monotonic();
    await this.#mustOwn();
    const { path, bytes } = this.#log.active!;
    const found = (await this.#fs.facts(path))?.bytes;
    if (found !== bytes) {
      const actual = found === undefined ? 'none' : `one of ${found}`;
      await this.#stop(`expected the file ${path} of ${bytes} bytes, found ${actual}`);
    }
    this.#lookedAt = now;
  }

  /** Whoever lost folder or lock must not write into what is another's now, nor acknowledge what nobody will find. */
  async #mustOwn(): Promise<void> {
    this.#mustWrite();
    const loss = await this.#lock!.loss();
    if (loss !== undefined) await this.#stop(loss);
  }

  #stop(why: string): Promise<never> {
    return this.#appender.guard(() => Promise.reject(new SyncFailure(why)));
  }

  #mustWrite(): void {
    if (this.#options.readOnly) throw expected('STORE_READ_ONLY', this.#folder, 'opened for writing', 'readOnly: true');
    this.#appender.mustWork();
  }
}
