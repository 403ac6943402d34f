import {
  intersects,
  isTelltaleError,
  mergeRanges,
  readDocuments,
  subtractRanges,
  systemClock,
  writeDocuments,
} from '../../lib/plugin.ts';
import type {
  DocumentSet,
  ImportSlice,
  Range,
  Remains,
  RemovedRange,
  Store,
  StoredDocument,
} from '../../lib/plugin.ts';

/** What became of a damaged log, whatever its kind. */
export interface SalvageReport {
  /** Records copied: events, and what is left of removed ones. */
  readonly kept: number;
  /** Positions that were there and not intact, or not in their place; each of them is among the lost ones. */
  readonly damaged: number;
  /** Positions of which nothing is left; the new log records them as removed, reason `lost`. */
  readonly lost: readonly RemovedRange[];
  /** Positions of removed events of which the id is damaged: an event with that id could be stored again. */
  readonly tombstones: readonly Range[];
  /** Positions of events whose revision was there already: they have the next one of their entity now. */
  readonly renumbered?: readonly number[];
  /** Documents that were not copied, `collection/key`, because they are damaged or too large for the new log. */
  readonly documents: readonly string[];
}

const WINDOW = 1_000;

/**
 * Copies all that can still be read of a log into an empty one, at the positions it has: the log in windows, which shrink
 * around damage down to the one position that cannot be read, and then the documents. Events of half a batch are
 * copied, too.
 */
export async function salvageStore(
  from: Remains,
  to: Store,
  progress: (position: number, end: number) => void,
): Promise<SalvageReport> {
  // As in a copy: before the end, none of them is ahead of what is copied.
  const documents: string[] = [];
  const missed = (name: string): unknown => documents.push(name);
  const found = await readDocuments(from, missed);
  const { end, reach } = await from.extent();
  const copied = new Copied(to);
  for (let [after, size] = [0, WINDOW]; after < reach; progress(after, end)) {
    const span = { from: after + 1, to: Math.min(after + size, reach) };
    const window = await intact(() => windowOf(from, span));
    if ((window === undefined || !(await copied.take(window))) && size > 1) {
      size = Math.floor(size / 2);
      continue;
    }
    [after, size] = [span.to, Math.min(WINDOW, size * 2)];
  }
  await copied.end(end);
  if (found === undefined) missed('*');
  else await writeDocuments(to, notAhead(found, end, missed), end, missed);
  return { ...copied.report, documents };
}

/** What has been copied; positions of which nothing is left go with what comes behind them. */
class Copied {
  readonly #to: Store;
  readonly #lost: RemovedRange[] = [];
  readonly #tombstones: Range[] = [];
  readonly #renumbered: number[] = [];
  #kept = 0;
  #damaged = 0;
  #storedAt = 0;
  #position = 0;

  constructor(to: Store) {
    this.#to = to;
  }

  get report(): Omit<SalvageReport, 'documents'> {
    const [lost, tombstones] = [joined(this.#lost), mergeRanges(this.#tombstones)];
    return { kept: this.#kept, damaged: this.#damaged, lost, tombstones, renumbered: this.#renumbered };
  }

  /** False for a window that has to shrink, because not all of it goes with what was copied before. */
  async take(window: Window): Promise<boolean> {
    const { from, to, lost, isDamaged } = window;
    const isSingle = from === to;
    if (isSingle && isDamaged && lost.length > 0) {
      this.#damaged++;
      return true;
    }
    await this.end(from - 1);
    if (await this.#write(window)) return true;
    if (!isSingle) return false;
    if (await this.#write(await this.#renumber(window))) this.#renumbered.push(from);
    else this.#damaged++;
    return true;
  }

  /** A stream that was set back has given revisions again; its events are intact. */
  async #renumber(window: Window): Promise<Window> {
    const [event] = window.events;
    if (event?.entity === undefined) return window;
    return { ...window, events: [{ ...event, revision: (await this.#to.revision(event.entity)) + 1 }] };
  }

  /** Nothing is left up to here. */
  async end(to: number): Promise<void> {
    if (to <= this.#position) return;
    const span = { from: this.#position + 1, to };
    const removed = lostIn([span], []);
    await this.#write({ ...span, events: [], removed, tombstones: [], lost: removed, damaged: [], isDamaged: true });
  }

  async #write(window: Window): Promise<boolean> {
    const { lost, damaged, isDamaged: _, ...slice } = window;
    const storedAt = newest(window, this.#storedAt);
    if (!(await takes(this.#to, { ...slice, storedAt }))) return false;
    this.#lost.push(...lost);
    this.#tombstones.push(...damaged);
    this.#kept += slice.events.length + slice.tombstones.length;
    this.#storedAt = storedAt;
    this.#position = slice.to;
    return true;
  }
}

type Window = Awaited<ReturnType<typeof windowOf>>;

async function windowOf(remains: Remains, span: Range) {
  const read = await unlessSingle(span, () => eventsIn(remains, span));
  const events = read ?? [];
  const there = mergeRanges(events.map(({ position }) => ({ from: position, to: position })));
  const removed = await removalsIn(remains, span, there);
  const isRemoved = (position: number): boolean => removed.some(({ from, to }) => from <= position && position <= to);
  const tombstones = removed.length === 0 ? [] : await unlessSingle(span, () => remains.tombstones(span, WINDOW));
  const lost = lostIn([span], mergeRanges([...there, ...removed]));
  return {
    ...span,
    events,
    removed: [...removed, ...lost].toSorted((a, b) => a.from - b.from),
    tombstones: (tombstones ?? []).filter(({ position }) => isRemoved(position)),
    lost,
    damaged: tombstones === undefined ? [{ from: span.from, to: span.to }] : [],
    isDamaged: read === undefined,
  };
}

/** `undefined` for the one position at which it is damaged; a longer window has to shrink. */
async function unlessSingle<T>(span: Range, read: () => Promise<T>): Promise<T | undefined> {
  return span.from === span.to ? intact(read) : read();
}

async function eventsIn(store: Remains, { from, to }: Range) {
  const found = [];
  for (let after = from - 1; ;) {
    const query = { after, through: to, descending: false, limit: WINDOW, checked: true };
    const { events, done, looked } = await store.page(query);
    found.push(...events);
    if (done) return found;
    after = looked;
  }
}

/** The recorded removals of a window, none of them where an event is, none of them twice. */
async function removalsIn(store: Remains, span: Range, there: readonly Range[]): Promise<RemovedRange[]> {
  const found: RemovedRange[] = [];
  for (const { from, to, reason, at } of (await intact(() => store.removed(span))) ?? []) {
    const range = { from: Math.max(from, span.from), to: Math.min(to, span.to) };
    if (!intersects(range, span)) continue;
    for (const part of subtractRanges([range], mergeRanges([...there, ...found]))) found.push({ ...part, reason, at });
  }
  return found;
}

function lostIn(spans: readonly Range[], there: readonly Range[]): RemovedRange[] {
  return subtractRanges(spans, there).map((range) => ({ ...range, reason: 'lost', at: systemClock.now() }));
}

/** False where it does not go with what was copied before: an id or a revision that is there already. */
async function takes(to: Store, slice: ImportSlice): Promise<boolean> {
  try {
    await to.takeOver(slice);
    return true;
  } catch (error) {
    if (isTelltaleError(error, 'IMPORT_REFUSED')) return false;
    throw error;
  }
}

/** Without those that name a position which the new log does not have. */
function notAhead(documents: DocumentSet, end: number, missed: (name: string) => unknown): DocumentSet {
  const isBehind = (collection: string, { key, value }: StoredDocument): boolean => {
    const { position } = Object(value) as { readonly position?: unknown };
    if (typeof position !== 'number' || position <= end) return true;
    missed(`${collection}/${key}`);
    return false;
  };
  return new Map(
    [...documents].map(([collection, list]) => [collection, list.filter((one) => isBehind(collection, one))]),
  );
}

function newest({ events, tombstones }: Pick<Window, 'events' | 'tombstones'>, before: number): number {
  return [...events, ...tombstones].reduce((latest, { storedAt }) => Math.max(latest, storedAt), before);
}

/** Nothing where it is damaged. */
async function intact<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (isTelltaleError(error, 'STORE_CORRUPT') || isTelltaleError(error, 'NOT_SUPPORTED')) return undefined;
    throw error;
  }
}

function joined(ranges: readonly RemovedRange[]): RemovedRange[] {
  return mergeRanges(ranges).map((range) => ({ ...ranges[0]!, ...range }));
}
