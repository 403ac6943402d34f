import {
  intersects,
  isTelltaleError,
  mergeRanges,
  readDocuments,
  subtractRanges,
  systemClock,
  writeDocuments,
} from '../../lib/plugin.ts';
import type { Range, RemovedRange, Store, Tombstone } from '../../lib/plugin.ts';

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
  /** Documents that were not copied, `collection/key`, because they are damaged or too large for the new log. */
  readonly documents: readonly string[];
}

const WINDOW = 1_000;

/**
 * Copies all that a store can still read into an empty one, at the positions it has: the log in windows, which shrink
 * around damage down to the one position that cannot be read, and then the documents. Events of half a batch are
 * copied, too.
 */
export async function salvageStore(
  from: Store,
  to: Store,
  progress: (position: number, head: number) => void,
): Promise<SalvageReport> {
  // As in a copy: before the head, none of them is ahead of what is copied.
  const documents: string[] = [];
  const missed = (name: string): unknown => documents.push(name);
  const found = await readDocuments(from, missed);
  const { position: end } = await from.head();
  const lost: RemovedRange[] = [];
  const tombstones: Range[] = [];
  let [kept, damaged, storedAt] = [0, 0, 0];
  for (let [after, size] = [0, WINDOW]; after < end; progress(after, end)) {
    const span = { from: after + 1, to: Math.min(after + size, end) };
    let window = await intact(() => windowOf(from, span));
    if (window !== undefined && !(await takes(to, window, storedAt))) window = undefined;
    if (window === undefined && size > 1) {
      size = Math.floor(size / 2);
      continue;
    }
    // A single position that cannot be read, or does not go with what lies before it.
    if (window === undefined) {
      damaged++;
      window = lostWindow(span);
      await takes(to, window, storedAt);
    }
    lost.push(...window.lost);
    tombstones.push(...window.damaged);
    kept += window.events.length + window.tombstones.length;
    storedAt = newest(window, storedAt);
    [after, size] = [span.to, Math.min(WINDOW, size * 2)];
  }
  if (found === undefined) missed('*');
  else await writeDocuments(to, found, end, missed);
  return { kept, damaged, lost: joined(lost), tombstones: mergeRanges(tombstones), documents };
}

type Window = Awaited<ReturnType<typeof windowOf>>;

async function windowOf(store: Store, span: Range) {
  const events = await eventsIn(store, span);
  const there = mergeRanges(events.map(({ position }) => ({ from: position, to: position })));
  const removed = await removalsIn(store, span, there);
  const isRemoved = (position: number): boolean => removed.some(({ from, to }) => from <= position && position <= to);
  const tombstones = removed.length === 0 ? [] : await tombstonesIn(store, span);
  const lost = lostIn([span], mergeRanges([...there, ...removed]));
  return {
    ...span,
    events,
    removed: [...removed, ...lost].toSorted((a, b) => a.from - b.from),
    tombstones: (tombstones ?? []).filter(({ position }) => isRemoved(position)),
    lost,
    damaged: tombstones === undefined ? [{ from: span.from, to: span.to }] : [],
  };
}

/** `undefined` for the one position of which it is damaged; a longer window has to shrink. */
async function tombstonesIn(store: Store, span: Range): Promise<readonly Tombstone[] | undefined> {
  try {
    return await store.tombstones(span, WINDOW);
  } catch (error) {
    if (span.from === span.to && isTelltaleError(error, 'STORE_CORRUPT')) return undefined;
    throw error;
  }
}

async function eventsIn(store: Store, { from, to }: Range) {
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
async function removalsIn(store: Store, span: Range, there: readonly Range[]): Promise<RemovedRange[]> {
  const found: RemovedRange[] = [];
  for (const { from, to, reason, at } of (await intact(() => store.removed(span))) ?? []) {
    const range = { from: Math.max(from, span.from), to: Math.min(to, span.to) };
    if (!intersects(range, span)) continue;
    for (const part of subtractRanges([range], mergeRanges([...there, ...found]))) found.push({ ...part, reason, at });
  }
  return found;
}

function lostWindow(span: Range): Window {
  const lost = lostIn([span], []);
  return { ...span, events: [], removed: lost, tombstones: [], lost, damaged: [] };
}

function lostIn(spans: readonly Range[], there: readonly Range[]): RemovedRange[] {
  return subtractRanges(spans, there).map((range) => ({ ...range, reason: 'lost', at: systemClock.now() }));
}

/** False where it does not go with what was copied before: an id or a revision that is there already. */
async function takes(to: Store, window: Window, storedAt: number): Promise<boolean> {
  const { lost: _, damaged: __, ...slice } = window;
  try {
    await to.takeOver({ ...slice, storedAt: newest(window, storedAt) });
    return true;
  } catch (error) {
    if (isTelltaleError(error, 'IMPORT_REFUSED')) return false;
    throw error;
  }
}

function newest({ events, tombstones }: Window, before: number): number {
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
