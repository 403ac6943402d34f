// oxlint-disable eslint/no-underscore-dangle -- the faults lie in what a store brings
import type { Between, KnownId, Page, PageQuery, Range, StoredEvent } from '../../lib/plugin.ts';
import { MemoryStore } from '../../plugins/memory/memory-store.ts';
import { parseOptions } from '../../plugins/memory/options.ts';

/** A memory store that fails when told and keeps a record of what it was asked. */
export class FlakyStore extends MemoryStore {
  /** One for each coming `_append`: an error to throw before or after writing, or nothing. */
  readonly faults: ({ readonly before?: unknown; readonly after?: unknown } | undefined)[] = [];
  /** One for each coming `_read`: an error to throw instead. */
  readonly readFaults: unknown[] = [];
  /** What each `_append` was given, as sizes of appends. */
  readonly commits: (readonly number[])[] = [];
  readonly calls: string[] = [];
  failToOpen = false;
  failToClose = false;
  /** Awaited by every `_append`. */
  gate: Promise<void> = Promise.resolve();

  constructor() {
    super(parseOptions({}));
  }

  protected override async _open(): Promise<void> {
    if (this.failToOpen) throw new Error('no such medium');
  }

  protected override async _close(): Promise<void> {
    this.calls.push('close');
    if (this.failToClose) throw new Error('still busy');
  }

  protected override async _append(records: readonly StoredEvent[], sizes: readonly number[] = []): Promise<void> {
    this.calls.push('append');
    this.commits.push(sizes);
    await this.gate;
    const fault = this.faults.shift();
    if (fault?.before !== undefined) throw fault.before as Error;
    await super._append(records);
    if (fault?.after !== undefined) throw fault.after as Error;
    this.calls.push('appended');
  }

  protected override async _read(query: PageQuery): Promise<Page> {
    const fault = this.readFaults.shift();
    if (fault !== undefined) throw fault as Error;
    return super._read(query);
  }

  protected override async _find(ids: readonly string[]): Promise<ReadonlyMap<string, KnownId>> {
    this.calls.push(`find ${ids.length}`);
    return super._find(ids);
  }

  protected override async _remove(...given: [readonly Range[], string, number, Between]): Promise<number> {
    this.calls.push('remove');
    return super._remove(...given);
  }

  protected override async _putDocument(
    collection: string,
    key: string,
    value: unknown,
    etag: string | null | undefined,
    named = 0,
  ): Promise<string | undefined> {
    this.calls.push(`put naming ${named}`);
    return super._putDocument(collection, key, value, etag);
  }

  protected override async _sync(): Promise<void> {
    this.calls.push('sync');
  }
}
