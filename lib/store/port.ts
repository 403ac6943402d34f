import type { Clock } from '../clock.ts';
import type { TelltaleError } from '../errors.ts';
import type { StoredEvent, TelltaleEvent } from '../event/event.ts';
import type { EnvelopeField } from '../filter/field.ts';
import type { FilterHints } from '../filter/hints.ts';
import type { Filter } from '../filter/language.ts';

/** How safe an acknowledged event is: lost with the process, with the machine, or only with the disk. */
export type Durability = 'memory' | 'os' | 'disk';

/** What a store promises and does by itself; the contract suite reads it. */
export interface StoreSupports {
  readonly durability: Durability;
  /** Several processes append to one log. Such a store overrides `_commit` to decide inside its own transaction. */
  readonly shared: boolean;
  readonly maxEventBytes: number;
  /** Opened for reading only: it takes nothing, and a bus on it refuses at the door. @default false */
  readonly readOnly?: boolean;
  /** The log of a bus at the other end of a link, which keeps the letters of what it does not take. @default false */
  readonly remote?: boolean;
  /** Which hints of `PageQuery` narrow the read; the rest is filtered by the abstract store. */
  readonly pushdown: readonly (keyof PageHints)[];
  /** Optional operations this store has. */
  readonly operations: readonly ('watch' | 'import' | 'transaction' | 'search' | 'summarize' | 'sync')[];
}

/** What must still hold when the append is carried out. A revision is that of the first event's entity. */
export type Expectation = 'any' | 'none' | number | { readonly query: Filter; readonly after: number };

/** One append on its way: all of its events or none of them. The store answers by exactly one of the two calls. */
export interface PendingAppend {
  readonly events: readonly TelltaleEvent[];
  /** Estimated size of all events, for the bounds of a group commit. */
  readonly bytes: number;
  readonly expect?: Expectation;
  /** First attempt of ids made in this process: the lookup by id is skipped. Every other append looks up. */
  readonly fresh: boolean;
  /** False where payloads were passed as they are (`payload: 'trust'`): they are admitted here, before they are written. */
  readonly admitted: boolean;
  acknowledged(receipt: AppendReceipt): void;
  failed(error: TelltaleError): void;
}

export interface AppendReceipt {
  /** Position of the first event; the others follow without a gap. */
  readonly position: number;
  /** Revision of each event within its entity, 0 without entity. */
  readonly revisions: readonly number[];
  readonly storedAt: number;
  readonly durability: Durability;
  /** The append was already stored: this is the first receipt again and nothing was written. */
  readonly duplicate: boolean;
}

export interface AppendOptions {
  readonly expect?: Expectation;
  readonly signal?: AbortSignal;
}

/** Where an id is; kept for ever, also after the event was removed. */
export interface KnownId {
  readonly id: string;
  readonly position: number;
  readonly revision: number;
  readonly storedAt: number;
  /** Hash of the content, see event/content-hash.ts. */
  readonly hash: string;
}

/**
 * What stays of a removed event: its id is known for ever. `entity` is there at least where this was the entity's newest
 * event, because its revisions must never restart.
 */
export interface Tombstone extends KnownId {
  readonly entity?: string;
}

/** A stretch of another log, to be taken over as it is. */
export interface ImportSlice {
  /** Follows the head of the log that takes it. */
  readonly from: number;
  /** The head from then on. */
  readonly to: number;
  /** The head's `storedAt` from then on; no record of the slice has a later one. */
  readonly storedAt: number;
  /** In position order. */
  readonly events: readonly StoredEvent[];
  /** Sorted, within the slice: they cover every position that has no event, and no other. */
  readonly removed: readonly RemovedRange[];
  /** In position order, each within a removed range; of older removals there may be none left. */
  readonly tombstones: readonly Tombstone[];
}

export interface Head {
  /** The highest position ever given; 0 before the first. */
  readonly position: number;
  /** `storedAt` of that position; 0 before the first. */
  readonly storedAt: number;
}

/** Conditions a store may use to look at fewer events. They are a superset: the abstract store filters again. */
export interface PageHints extends FilterHints {
  /** The whole filter, for stores that translate it. */
  readonly where?: Filter;
  /** What is searched for. Nobody filters by it again: whoever searches looks at what it gets. */
  readonly words?: WordHint;
}

/** Words all of which must occur, in strings and numbers of some fields, whatever their case. */
export interface WordHint {
  /** In lower case. */
  readonly words: readonly string[];
  /** Envelope fields and dotted paths, with all that lies beneath them. */
  readonly in: readonly string[];
}

export interface PageQuery extends PageHints {
  /** Exclusive lower bound of positions; 0 for the start. */
  readonly after: number;
  /** Inclusive upper bound of positions. */
  readonly through: number;
  /** From the highest position down. */
  readonly descending: boolean;
  /** At most this many events. */
  readonly limit: number;
  /** Throws `STORE_CORRUPT` for an event with a wrong checksum, also where the store has those and seldom looks. */
  readonly checked?: boolean;
}

export interface Page {
  /** In position order, or falling when `descending`. */
  readonly events: readonly StoredEvent[];
  /** How far the store has looked: the next page starts behind this position (before it when `descending`). */
  readonly looked: number;
  /** Nothing is left between `looked` and the end of the asked range. */
  readonly done: boolean;
  /** The index that answered: `id`, `type`, `entity`, `correlationId`, `time`, `payload.total` …; absent: none. */
  readonly index?: string;
  /** Events looked at to find these. */
  readonly scanned?: number;
  /** How large about the events looked at are, where the store counts: with 16 MiB a page ends. */
  readonly bytes?: number;
}

/** What is counted of the events that satisfy all hints exactly. */
export interface TallyQuery extends PageHints {
  /** Exclusive lower bound of positions. */
  readonly after: number;
  /** Inclusive upper bound of positions. */
  readonly through: number;
  /** Fields of the envelope whose values make a group. */
  readonly by: readonly EnvelopeField[];
  /** Splits groups by `time` in whole units since 1970 UTC. */
  readonly bucketMs?: number;
  /** Fields that hold a number in every event: the least and the largest of each is asked for. */
  readonly numbers: readonly EnvelopeField[];
  /** Leaves out the events of the bus itself. */
  readonly withoutReserved: boolean;
  /** With more groups than this it does not matter which ones are answered. */
  readonly limit: number;
}

/** One group, as far as the store has looked. */
export interface TallyGroup {
  /** The values of `by`, in its order; `undefined` where the events have none. */
  readonly key: readonly (string | number | undefined)[];
  /** Where the group's bucket begins. */
  readonly from?: number;
  readonly count: number;
  /** Position of its first event. */
  readonly first: number;
  /** Of each of `numbers`. */
  readonly spans: readonly { readonly min: number; readonly max: number }[];
}

/** Counts of the events from where the query begins up to `looked`. */
export interface TallyPart {
  readonly groups: readonly TallyGroup[];
  /** The next part begins behind this position. */
  readonly looked: number;
  readonly done: boolean;
}

/** What a log takes up; removed events are not counted. */
export interface StoreSize {
  readonly events: number;
  /** Bytes on the disk or in memory, as far as the store can tell. */
  readonly storedBytes: number;
  /** Bytes of the events as JSON, before any compression. */
  readonly originalBytes: number;
}

/** Inclusive range of positions that were taken out on purpose. */
export interface RemovedRange {
  readonly from: number;
  readonly to: number;
  readonly reason: string;
  /** Epoch ms. */
  readonly at: number;
}

/** Small changing data beside the log: checkpoints, leases, snapshots, schemas. */
export interface StoredDocument {
  readonly key: string;
  readonly value: unknown;
  /** A new one with every put. */
  readonly etag: string;
}

export interface PutOptions {
  /** `null`: must not exist yet. A string: must still have this etag. Absent: whatever is there. */
  readonly etag?: string | null;
  /** The value names this position: the log is synced up to it before the document is written. */
  readonly position?: number;
  /** Refused with `LEASE_LOST` unless the lease still has this epoch. */
  readonly fence?: Fence;
}

/** Proof of a lease: a document and the epoch it must still have. */
export interface Fence {
  readonly lease: string;
  readonly epoch: number;
}

export interface StoreHealth {
  readonly status: 'opening' | 'open' | 'failed' | 'closing' | 'closed';
  readonly durability: Durability;
  readonly queued: number;
  readonly lastError?: TelltaleError;
  /** Free bytes where the log lies; absent where that means nothing. */
  readonly diskFreeBytes?: number;
  /** Of a store behind a network: connections open and idle, and calls that wait for one. */
  readonly connections?: { readonly open: number; readonly idle: number; readonly waiting: number };
  /** What the store found at opening or could not do since: repaired tails, lost ranges, cleanup left over. */
  readonly notices: readonly string[];
}

/** What the bus hands a store when it opens it. */
export interface StoreEnvironment {
  readonly clock: Clock;
}

/** Called with the events of each commit in position order, after they are durable. Must not throw. */
export type CommitListener = (events: readonly StoredEvent[]) => void;

/** Called with sorted ranges of positions whose events were removed or rewritten. Must not throw. */
export type RemovalListener = (ranges: readonly { readonly from: number; readonly to: number }[]) => void;

/** Appends within transactions of targets in the store's own database. */
export interface StoreTransactions {
  /** Is what a target hands its handler a transaction of this log's database? */
  isOurs(tx: unknown): boolean | Promise<boolean>;
  /**
   * Writes in the transaction, which somebody else commits: until then the outcomes are what they say only if it is. One
   * that is a duplicate or an error has written nothing; what is thrown leaves the transaction to be rolled back.
   */
  append(
    tx: unknown,
    appends: readonly PendingAppend[],
  ): Promise<{ readonly outcomes: readonly (AppendReceipt | TelltaleError)[] }>;
  /** It is committed: the feed goes on with what was written, here and in other processes. */
  committed(): void;
}

/** The port every store answers and every layer above uses. Implement it by extending `AbstractStore`. */
export interface Store {
  readonly name: string;
  readonly supports: StoreSupports;
  /** There where `transaction` is one of the operations. */
  readonly transactions?: StoreTransactions;
  open(environment?: Partial<StoreEnvironment>): Promise<void>;
  /** Idempotent: refuses new work, writes what is queued, closes. */
  close(): Promise<void>;
  /** The bus's way in: cheap, ordered, answered by `acknowledged` or `failed`. */
  enqueue(append: PendingAppend): void;
  /** Everybody else's way in: checks and admits the events first. */
  append(events: readonly TelltaleEvent[], options?: AppendOptions): Promise<AppendReceipt>;
  /** One page of the events that satisfy `query`, residual filter applied. */
  page(query: PageQuery): Promise<Page>;
  /** All events that satisfy `query`, page by page. */
  read(query?: Partial<PageQuery>): AsyncIterable<StoredEvent>;
  /**
   * Counts where the events lie. `undefined`: the store cannot, or not exactly; then they are read and counted. A part
   * takes it some milliseconds and need not reach the end.
   */
  summarize(query: TallyQuery): Promise<TallyPart | undefined>;
  head(): Promise<Head>;
  find(ids: readonly string[]): Promise<ReadonlyMap<string, KnownId>>;
  /** Current revision of an entity; 0 means never written. Revisions never restart. */
  revision(entity: string): Promise<number>;
  /**
   * Takes events out for good and records the ranges; ids and revisions stay known. Holds the event loop at most 20 ms
   * at a time and lets appends through in between; a crash leaves each step of it done or not done. Answers how many
   * events went. Throws `INVALID_OPTION`, `LEASE_LOST`.
   */
  remove(
    ranges: readonly { readonly from: number; readonly to: number }[],
    reason: string,
    fence?: Fence,
  ): Promise<number>;
  removed(range?: { readonly from: number; readonly to: number }): Promise<readonly RemovedRange[]>;
  rewrite(events: readonly StoredEvent[], fence?: Fence): Promise<void>;
  /**
   * Takes over a stretch of another log with its positions, revisions and times, behind the head. A crash may leave a
   * first part of it. Throws `NOT_SUPPORTED`, `IMPORT_REFUSED` when it does not follow the head, is not whole, or names
   * an id or a revision again.
   */
  takeOver(slice: ImportSlice): Promise<void>;
  /** What is left of the removed events between two positions, the first `limit` of them. */
  tombstones(range: { readonly from: number; readonly to: number }, limit: number): Promise<readonly Tombstone[]>;
  /** The collections that hold a document. Throws `NOT_SUPPORTED`. */
  collections(): Promise<readonly string[]>;
  document(collection: string, key: string): Promise<StoredDocument | undefined>;
  /** Compare-and-set; answers the new etag. Throws `DOCUMENT_CONFLICT`. */
  putDocument(collection: string, key: string, value: unknown, options?: PutOptions): Promise<string>;
  listDocuments(collection: string): Promise<readonly StoredDocument[]>;
  /** False when it is not there, or has another etag than the one given. */
  deleteDocument(collection: string, key: string, etag?: string): Promise<boolean>;
  /** Listens to commits from now on; returns the undo. */
  onCommit(listener: CommitListener): () => void;
  /**
   * Listens to removals and rewrites from now on; returns the undo. One that failed is told as well, because a part of
   * it may have been carried out.
   */
  onRemove(listener: RemovalListener): () => void;
  /** Events that are there and the bytes they take. A store that keeps no count reads everything for it. */
  size(): Promise<StoreSize>;
  /** Makes everything acknowledged so far as durable as the medium allows. */
  sync(): Promise<void>;
  health(): StoreHealth;
}

/** Something that only receives. Every store is usable as one. */
export interface Sink {
  readonly name: string;
  open(environment?: Partial<StoreEnvironment>): Promise<void>;
  write(events: readonly StoredEvent[]): Promise<void>;
  close(): Promise<void>;
}
