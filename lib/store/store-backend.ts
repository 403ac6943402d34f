import type { StoredEvent } from '../event/event.ts';
import type { Between } from './log-changes.ts';
import type * as Port from './port.ts';
import type { Range } from './ranges.ts';

/** What a store brings. `AbstractStore` calls these only while the store is open, with checked arguments. */
export abstract class StoreBackend {
  abstract readonly name: string;
  abstract readonly supports: Port.StoreSupports;

  /** Opens the medium; afterwards `_head` answers. */
  protected abstract _open(): Promise<void>;
  /** Releases everything. Nothing else is running or will be called. */
  protected abstract _close(): Promise<void>;
  /**
   * Writes one group commit, all or nothing. `sizes` says how many of the records belong to each append: after a crash
   * an append must be there whole or not at all.
   */
  protected abstract _append(records: readonly StoredEvent[], sizes: readonly number[]): Promise<void>;
  /** At most `limit` events, in order; may use any hint to leave out events that do not satisfy it. */
  protected abstract _read(query: Port.PageQuery): Promise<Port.Page>;
  protected abstract _head(): Promise<Port.Head>;
  /** The ids that were ever stored, removed events included. */
  protected abstract _find(ids: readonly string[]): Promise<ReadonlyMap<string, Port.KnownId>>;
  /** Revisions of the entities that were ever written, removed events included. */
  protected abstract _revision(entities: readonly string[]): Promise<ReadonlyMap<string, number>>;
  /**
   * Removes events and records the ranges, which are sorted and not removed yet; answers how many events there were.
   * Appends and reads go on meanwhile: what must not overlap a commit goes through `between`, in small steps. Where the
   * store is `shared`, others may have removed some of it meanwhile and taken the lease: each step looks at both again
   * in the transaction that writes it (see `mustHold`).
   */
  protected abstract _remove(
    ranges: readonly Range[],
    reason: string,
    at: number,
    between: Between,
    fence: Port.Fence | undefined,
  ): Promise<number>;
  /** Recorded removals that touch the range, in order. */
  protected abstract _removed(range: Range): Promise<readonly Port.RemovedRange[]>;
  /** Replaces payload, metadata and schemaVersion of events that exist; `between` and `fence` as for `_remove`. */
  protected abstract _rewrite(
    events: readonly StoredEvent[],
    between: Between,
    fence: Port.Fence | undefined,
  ): Promise<void>;
  /**
   * Takes over a stretch of another log: declared as `import` in `supports.operations`, together with `_tombstones` and
   * `_collections`. It follows the head, never overlaps a commit, and has been checked: events and removed ranges cover
   * its positions, no id is known, revisions rise. From then on `_head` answers `{ position: slice.to, storedAt:
   * slice.storedAt }`, `_find` knows the ids of its events (by `contentHash`) and tombstones (by their `hash`),
   * `_revision` the highest revision among an entity's events and tombstones, `_removed` its ranges with their reasons
   * and times (neighbours of one reason and time joined, see `recordRemoval`). As durable as an append. A crash may
   * leave a first part of the slice, never a hole that is not recorded: the head is then the last position of that part.
   */
  protected _import?(slice: Port.ImportSlice): Promise<void>;
  /**
   * The first `limit` of the removed events within a range that are still known, in position order. `entity` may be
   * left out except where the removed event was the newest of its entity: a store that keeps ids and revisions apart
   * notes the entity beside the id when it removes that one.
   */
  protected _tombstones?(range: Range, limit: number): Promise<readonly Port.Tombstone[]>;
  /** Names of the collections that hold a document. */
  protected _collections?(): Promise<readonly string[]>;
  protected abstract _document(collection: string, key: string): Promise<Port.StoredDocument | undefined>;
  /**
   * Compares and sets in one step (see `PutOptions.etag`); answers the new etag, `undefined` if the comparison failed.
   * `named` is the position that the value names, 0 for none: a log that can lose its tail must never give it again.
   * A `shared` store checks the fence in the same step.
   */
  protected abstract _putDocument(
    collection: string,
    key: string,
    value: unknown,
    etag: string | null | undefined,
    named: number,
    fence: Port.Fence | undefined,
  ): Promise<string | undefined>;
  protected abstract _listDocuments(collection: string): Promise<readonly Port.StoredDocument[]>;
  protected abstract _deleteDocument(collection: string, key: string, etag: string | undefined): Promise<boolean>;
  /** Counts exactly, or answers `undefined`; declared as `summarize` in `supports.operations`. */
  protected _summarize?(query: Port.TallyQuery): Promise<Port.TallyPart | undefined>;
  /** What the log takes up; without it everything is read and counted. */
  protected _size?(): Promise<Port.StoreSize>;
  /** Makes all that was appended as durable as the medium allows. */
  protected _sync?(): Promise<void>;
  /** Calls `wake` when others may have committed; declared as `watch` in `supports.operations`. */
  protected _watch?(wake: () => void): () => void;
  /** What the store adds to its health. */
  protected _health(): Partial<Pick<Port.StoreHealth, 'status' | 'diskFreeBytes' | 'connections' | 'notices'>> {
    return {};
  }
}
