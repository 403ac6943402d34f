// oxlint-disable eslint/no-underscore-dangle -- the underscore marks what a store brings and nobody else may call
import type { Chain } from '../context.ts';
import { TelltaleError, isTelltaleError } from '../errors.ts';
import type { StoredEvent } from '../event/event.ts';
import { AbstractStore } from '../store/abstract-store.ts';
import { CommitFeed } from '../store/commit-feed.ts';
import type { Between } from '../store/log-changes.ts';
import type * as Port from '../store/port.ts';
import type { Range } from '../store/ranges.ts';
import type { AppendTerms } from './frames.ts';
import type { WrittenAppend } from './outgoing.ts';

/** The parent's store, as far as it is asked over a link. */
export interface RemoteStore {
  /** Undefined where the parent has none. */
  readonly supports: Port.StoreSupports | undefined;
  append(append: Port.PendingAppend, terms: AppendTerms): void;
  call(method: string, args: readonly unknown[]): Promise<unknown>;
  watch(): void;
  /** The bus has closed: everything is stored. */
  closed(): void;
}

const WITHOUT: Port.StoreSupports = {
  durability: 'memory',
  shared: true,
  maxEventBytes: 8 * 1024 * 1024,
  pushdown: [],
  operations: [],
};
const HINTS = [
  'ids',
  'types',
  'entity',
  'entityKind',
  'correlationId',
  'causationId',
  'time',
  'equals',
  'where',
] as const;

/**
 * The store of a worker's bus: its parent's, over the link. Appends become events of the parent, which dispatches and
 * stores them, in the order in which they and the transient events of this bus were emitted. Reads and documents are
 * asked for; commits are read when somebody here listens to them. What the parent's store refuses is refused here.
 */
export class ProxyStore extends AbstractStore {
  readonly name: string;
  readonly supports: Port.StoreSupports;
  readonly #remote: RemoteStore;
  readonly #commits = new CommitFeed();
  #isOpening = false;
  #listening = false;
  #started = false;
  #through = 0;
  #reading: 'idle' | 'busy' = 'idle';

  constructor(name: string, remote: RemoteStore) {
    super();
    this.name = name;
    this.#remote = remote;
    const its = remote.supports ?? WITHOUT;
    // All is asked of the other side, which filters; syncing and clearing away are its business.
    this.supports = { ...its, shared: true, remote: true, pushdown: HINTS, operations: [] };
  }

  // Not one group commit after the other: the wire keeps the order, and the parent makes its own groups.
  override enqueue(append: Port.PendingAppend): void {
    const { fresh, expect } = append;
    const chains = chainsOf(append);
    this.#remote.append(append, { fresh, ...(expect !== undefined && { expect }), ...(chains && { chains }) });
  }

  override onCommit(listener: Port.CommitListener): () => void {
    if (!this.#listening) this.#remote.watch();
    this.#listening = true;
    return this.#commits.on(listener);
  }

  /** The parent's log has grown by what lies behind `after`. */
  moved(after: number, through: number): void {
    if (!this.#started) this.#commits.start(after);
    this.#started = true;
    this.#through = Math.max(this.#through, through);
    if (this.#reading === 'idle') void this.#catchUp();
  }

  /** The parent's log has lost these. */
  forget(ranges: readonly Range[]): void {
    this.tellRemoved(ranges);
  }

  // What could not be read comes with the next commit.
  async #catchUp(): Promise<void> {
    this.#reading = 'busy';
    try {
      while (this.#commits.position < this.#through)
        await this.#commits.catchUp(
          (after, through, limit) => this._read({ after, through, limit, descending: false }),
          this.#through,
        );
    } catch (error) {
      if (!isTelltaleError(error)) throw error;
    } finally {
      this.#reading = 'idle';
    }
  }

  protected async _open(): Promise<void> {
    this.#isOpening = true;
  }

  protected async _close(): Promise<void> {
    this.#remote.closed();
  }

  protected _append(): Promise<void> {
    return Promise.reject(new TelltaleError('NOT_SUPPORTED', 'a worker appends through its parent only'));
  }

  protected async _head(): Promise<Port.Head> {
    // A bus opens on a parent without store as well; only what is asked of the log is refused.
    const isFirst = this.#isOpening;
    this.#isOpening = false;
    if (isFirst && !this.#remote.supports) return { position: 0, storedAt: 0 };
    return (await this.#remote.call('head', [])) as Port.Head;
  }

  protected async _read(query: Port.PageQuery): Promise<Port.Page> {
    const { through, ...rest } = query;
    // JSON has no Infinity.
    const asked = through === Infinity ? { ...rest, through: Number.MAX_SAFE_INTEGER } : query;
    return (await this.#remote.call('page', [asked])) as Port.Page;
  }

  protected async _find(ids: readonly string[]): Promise<ReadonlyMap<string, Port.KnownId>> {
    return new Map((await this.#remote.call('find', [ids])) as [string, Port.KnownId][]);
  }

  protected async _revision(entities: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const revisions = (await this.#remote.call('revisions', [entities])) as readonly number[];
    return new Map(entities.map((entity, i) => [entity, revisions[i]!]));
  }

  protected async _remove(
    ranges: readonly Range[],
    reason: string,
    _at: number,
    _between: Between,
    fence: Port.Fence | undefined,
  ): Promise<number> {
    return (await this.#remote.call('remove', [ranges, reason, ...(fence ? [fence] : [])])) as number;
  }

  protected async _removed({ from, to }: Range): Promise<readonly Port.RemovedRange[]> {
    return (await this.#remote.call('removed', [
      { from, to: Math.min(to, Number.MAX_SAFE_INTEGER) },
    ])) as readonly Port.RemovedRange[];
  }

  protected async _rewrite(
    events: readonly StoredEvent[],
    _between: Between,
    fence: Port.Fence | undefined,
  ): Promise<void> {
    await this.#remote.call('rewrite', [events, ...(fence ? [fence] : [])]);
  }

  protected async _document(collection: string, key: string): Promise<Port.StoredDocument | undefined> {
    return ((await this.#remote.call('document', [collection, key])) as Port.StoredDocument | null) ?? undefined;
  }

  protected async _putDocument(
    collection: string,
    key: string,
    value: unknown,
    etag: string | null | undefined,
    named: number,
    fence: Port.Fence | undefined,
  ): Promise<string | undefined> {
    const options = {
      ...(etag !== undefined && { etag }),
      ...(named > 0 && { position: named }),
      ...(fence && { fence }),
    };
    try {
      return (await this.#remote.call('putDocument', [collection, key, value, options])) as string;
    } catch (error) {
      if (isTelltaleError(error, 'DOCUMENT_CONFLICT')) return undefined;
      throw error;
    }
  }

  protected async _listDocuments(collection: string): Promise<readonly Port.StoredDocument[]> {
    return (await this.#remote.call('listDocuments', [collection])) as readonly Port.StoredDocument[];
  }

  protected async _deleteDocument(collection: string, key: string, etag: string | undefined): Promise<boolean> {
    const args = etag === undefined ? [collection, key] : [collection, key, etag];
    return (await this.#remote.call('deleteDocument', args)) as boolean;
  }

  protected override async _size(): Promise<Port.StoreSize> {
    return (await this.#remote.call('size', [])) as Port.StoreSize;
  }
}

function chainsOf({ envelopes }: WrittenAppend): AppendTerms['chains'] {
  if (!envelopes?.some(({ chain }) => chain.depth > 0)) return undefined;
  return envelopes.map(({ chain }): Chain | null => (chain.depth > 0 ? chain : null));
}
