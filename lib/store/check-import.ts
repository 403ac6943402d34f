import { TelltaleError, show } from '../errors.ts';
import type { Head, ImportSlice, KnownId, RemovedRange, Tombstone } from './port.ts';

/** What of the log is looked up before a slice of another log is taken over. */
export interface ImportLookUps {
  find(ids: readonly string[]): Promise<ReadonlyMap<string, KnownId>>;
  revision(entities: readonly string[]): Promise<ReadonlyMap<string, number>>;
}

type Entry = Pick<Tombstone, 'id' | 'position' | 'revision' | 'storedAt' | 'entity'>;

/** Throws `IMPORT_REFUSED` unless the slice follows the head, is whole, and names no id and no revision again. */
export async function checkImport(slice: ImportSlice, head: Head, lookUps: ImportLookUps): Promise<void> {
  const { from, to, storedAt } = slice;
  if (from !== head.position + 1) throw refused('the slice', `to begin behind the head, ${head.position}`, from);
  if (!(Number.isSafeInteger(to) && to >= from)) throw refused('`to`', `to be a position from ${from}`, to);
  if (!(storedAt >= head.storedAt))
    throw refused('`storedAt`', `to be at least the head's, ${head.storedAt}`, storedAt);
  checkCover(slice);
  const entries = inOrder(slice.events, slice.tombstones);
  for (const entry of entries)
    if (entry.storedAt > storedAt) throw refused(`event ${entry.id}`, `to be stored by ${storedAt}`, entry.storedAt);
  await checkIds(entries, lookUps);
  await checkRevisions(entries, lookUps);
}

/** Every position has an event or a removed range, and not both; a tombstone lies in a removed range. */
function checkCover({ from, to, events, removed, tombstones }: ImportSlice): void {
  let [nextEvent, nextRange] = [0, 0];
  for (let position = from; position <= to;) {
    const range = removed[nextRange];
    if (events[nextEvent]?.position === position) {
      nextEvent++;
      position++;
    } else if (range?.from === position && range.to >= position) {
      nextRange++;
      position = range.to + 1;
    } else throw refused(`position ${position}`, 'to have an event, or to be in a removed range', 'neither');
    if (position > to + 1) throw refused('a removed range', `to end by ${to}`, range?.to);
  }
  if (nextEvent < events.length) throw refused('an event', 'to be in its place', events[nextEvent]!.position);
  if (nextRange < removed.length) throw refused('a removed range', 'to be in its place', removed[nextRange]!.from);
  checkTombstones(tombstones, removed);
}

function checkTombstones(tombstones: readonly Tombstone[], removed: readonly RemovedRange[]): void {
  let [next, last] = [0, 0];
  for (const { position } of tombstones) {
    while (next < removed.length && removed[next]!.to < position) next++;
    if (position <= last || !((removed[next]?.from ?? Infinity) <= position))
      throw refused('a tombstone', 'to be in order and within a removed range', position);
    last = position;
  }
}

async function checkIds(entries: readonly Entry[], lookUps: ImportLookUps): Promise<void> {
  const ids = new Set(entries.map(({ id }) => id));
  if (ids.size < entries.length) throw refused('each id', 'to occur once', `${entries.length - ids.size} again`);
  if (ids.size === 0) return;
  for (const [id, { position }] of await lookUps.find([...ids]))
    throw refused(`id ${id}`, 'to be new', `position ${position}`);
}

async function checkRevisions(entries: readonly Entry[], lookUps: ImportLookUps): Promise<void> {
  const entities = new Set(entries.map(({ entity }) => entity).filter((entity) => entity !== undefined));
  if (entities.size === 0) return;
  const now = new Map(await lookUps.revision([...entities]));
  for (const { entity, revision: next, position } of entries) {
    if (entity === undefined) continue;
    const before = now.get(entity) ?? 0;
    if (!(next > before))
      throw refused(`the revision of ${entity} at position ${position}`, `to be above ${before}`, next);
    now.set(entity, next);
  }
}

/** Events and tombstones by position, each list being sorted. */
function inOrder(events: readonly Entry[], tombstones: readonly Entry[]): Entry[] {
  if (tombstones.length === 0) return [...events];
  return [...events, ...tombstones].toSorted((a, b) => a.position - b.position);
}

function refused(thing: string, expectation: string, actual: unknown): TelltaleError {
  const message = `expected ${thing} ${expectation}, got ${show(actual)}`;
  return new TelltaleError('IMPORT_REFUSED', message, { details: { actual } });
}
