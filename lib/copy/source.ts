import { TelltaleError } from '../errors.ts';
import { contentHash } from '../event/content-hash.ts';
import type { StoredEvent } from '../event/event.ts';
import type { Head, ImportSlice, RemovedRange, Store, Tombstone } from '../store/port.ts';
import { intersects, mergeRanges, recordRemovals, subtractRanges } from '../store/ranges.ts';
import type { Range } from '../store/ranges.ts';
import type { Mapping } from './mapping.ts';

/** What a stretch of the source is in the copy. */
export interface Stretch {
  readonly slice: ImportSlice;
  readonly leftOut: number;
}

export interface SourceOptions {
  readonly mapping: Mapping;
  readonly forget: boolean;
  /** When events that are left out count as removed. */
  readonly leftOutAt: number;
}

/** Why events that `map` left out are not there. */
export const LEFT_OUT = 'left out of the copy';

const PAGE_EVENTS = 4_096;
const FIRST_PAGE = 64;
const PAGE_BYTES = 4 * 1024 * 1024;
const TOMBSTONES = 4_096;
const SAMPLES = 8;

/** Reads a log that may be in use, stretch by stretch, up to a head that was fixed before. */
export class Source {
  readonly #store: Store;
  readonly #options: SourceOptions;
  #limit = FIRST_PAGE;

  constructor(store: Store, options: SourceOptions) {
    this.#store = store;
    this.#options = options;
  }

  /**
   * The stretch behind a head, towards `end`. First the events and then the removals are read: what is removed between
   * the two counts as removed. Throws `STORE_CORRUPT` where a position is missing without a reason.
   */
  async next(head: Head, end: Head): Promise<Stretch> {
    const after = head.position;
    // What is damaged must not get a fresh checksum in the copy.
    const query = { after, through: end.position, descending: false, limit: this.#limit, checked: true };
    const page = await this.#store.page(query);
    this.#adapt(page.events);
    const from = after + 1;
    const asked = { from, to: page.done ? end.position : page.looked };
    const gone = clipped(await this.#store.removed(asked), asked);
    const tombstones = await this.#tombstones(gone);
    // So many tombstones are enough for one stretch: the events behind them are read again with the next.
    const to = tombstones.length < TOMBSTONES ? asked.to : tombstones[tombstones.length - 1]!.position;
    const span = { from, to };
    const events = livingIn(page.events, gone, span);
    mustBeWhole(this.#store.name, span, events, gone);
    return this.#stretch({ head, end, span, events, gone: clipped(gone, span), tombstones });
  }

  async #stretch(read: Read): Promise<Stretch> {
    const { head, end, span, events, gone } = read;
    const kept: StoredEvent[] = [];
    const leftOut: StoredEvent[] = [];
    for (const event of events) {
      const made = await this.#options.mapping(event);
      if (made === undefined) leftOut.push(event);
      else kept.push(made);
    }
    const tombstones = this.#options.forget ? [] : inOrder([...read.tombstones, ...leftOut.map(tombstoneOf)]);
    const last = Math.max(head.storedAt, kept.at(-1)?.storedAt ?? 0, tombstones.at(-1)?.storedAt ?? 0);
    const storedAt = span.to === end.position ? Math.max(last, end.storedAt) : last;
    const removed = recordRemovals(
      gone,
      leftOut.map((event) => this.#removalOf(event)),
    );
    return { slice: { ...span, storedAt, events: kept, removed, tombstones }, leftOut: leftOut.length };
  }

  /** What is still known of removed events; in a huge range only of the first so many. */
  async #tombstones(gone: readonly RemovedRange[]): Promise<readonly Tombstone[]> {
    if (gone.length === 0) return [];
    return this.#store.tombstones({ from: gone[0]!.from, to: gone[gone.length - 1]!.to }, TOMBSTONES);
  }

  #removalOf({ position }: StoredEvent): RemovedRange {
    return { from: position, to: position, reason: LEFT_OUT, at: this.#options.leftOutAt };
  }

  /** As many events as are about 4 MiB, going by some of the last page. */
  #adapt(events: readonly StoredEvent[]): void {
    if (events.length === 0) return;
    const step = Math.max(1, Math.floor(events.length / SAMPLES));
    const samples = events.filter((_, i) => i % step === 0);
    const bytes = samples.reduce((sum, event) => sum + JSON.stringify(event).length, 0) / samples.length;
    this.#limit = Math.max(1, Math.min(PAGE_EVENTS, Math.floor(PAGE_BYTES / bytes)));
  }
}

interface Read {
  readonly head: Head;
  readonly end: Head;
  readonly span: Range;
  readonly events: readonly StoredEvent[];
  readonly gone: readonly RemovedRange[];
  readonly tombstones: readonly Tombstone[];
}

export function clipped(ranges: readonly RemovedRange[], span: Range): RemovedRange[] {
  return ranges
    .filter((range) => intersects(range, span))
    .map((range) => ({ ...range, from: Math.max(range.from, span.from), to: Math.min(range.to, span.to) }));
}

export function tombstoneOf(event: StoredEvent): Tombstone {
  const { id, position, revision, storedAt, entity } = event;
  const known = { id, position, revision, storedAt, hash: contentHash(event) };
  return entity === undefined ? known : { ...known, entity };
}

function livingIn(events: readonly StoredEvent[], gone: readonly Range[], { to }: Range): StoredEvent[] {
  let next = 0;
  return events.filter(({ position }) => {
    while (next < gone.length && gone[next]!.to < position) next++;
    return position <= to && !(next < gone.length && gone[next]!.from <= position);
  });
}

function mustBeWhole(name: string, span: Range, events: readonly StoredEvent[], gone: readonly Range[]): void {
  const there = mergeRanges([...events.map(({ position }) => ({ from: position, to: position })), ...gone]);
  const [hole] = subtractRanges([span], there);
  if (hole === undefined) return;
  const message = `expected each position of store ${name} to have an event or a recorded removal, found neither from ${hole.from} to ${hole.to}`;
  throw new TelltaleError('STORE_CORRUPT', message, { details: { position: hole.from, to: hole.to } });
}

function inOrder(tombstones: readonly Tombstone[]): Tombstone[] {
  return tombstones.toSorted((a, b) => a.position - b.position);
}
