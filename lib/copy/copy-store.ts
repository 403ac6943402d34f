import { systemClock } from '../clock.ts';
import { TelltaleError, expected, isTelltaleError, toError } from '../errors.ts';
import type { Store } from '../store/port.ts';
import { readDocuments, writeDocuments } from './documents.ts';
import type { DocumentSet } from './documents.ts';
import { LateChanges } from './late-changes.ts';
import { mappingOf } from './mapping.ts';
import { checkOptions } from './options.ts';
import type { CopyOptions } from './options.ts';
import { Source } from './source.ts';
import { Target } from './target.ts';

/** What a copy came to. */
export interface CopyReport {
  /** The copy has everything up to here. */
  readonly position: number;
  /** Where it went on; 0 for a copy that began with this call. */
  readonly resumedFrom: number;
  /** Events copied by this call. */
  readonly events: number;
  /** Events that `map` left out in this call. */
  readonly leftOut: number;
  /** Removed events of which the ids were copied, by this call. */
  readonly tombstones: number;
  readonly documents: number;
  /** What the source could not give. */
  readonly notices: readonly string[];
}

/**
 * Copies the log of one store into another: positions, revisions, times, removals, the ids of removed events, and
 * documents. The source may be in use: what is copied is everything up to its head at the call, without what is removed
 * meanwhile; documents are read before that head, so that none of them is ahead of the copied log.
 *
 * Order: a stretch of about a thousand events at a time; memory does not grow with the log, but documents are held.
 * Failure: killed or aborted at any step, the same call goes on where the copy is, and brings a finished one up to date.
 * Opening: a store that is closed is opened, and closed again.
 *
 * @param to empty, or an earlier copy of `from`
 * @throws `STORE_OCCUPIED` when the target holds other events, `NOT_SUPPORTED` when it cannot take over a log,
 * `STORE_CORRUPT` when the source misses a position or has a damaged event, `ABORTED`, `INVALID_OPTION`, what `map` throws;
 * for what it answers `IMPORT_REFUSED` (an id or entity that is another event's) and what admission refuses (`PAYLOAD_…`,
 * `INVALID_…`)
 */
export async function copyStore(from: Store, to: Store, options: CopyOptions = {}): Promise<CopyReport> {
  const checked = checkOptions(options);
  mustBeStore(from, 'source');
  mustBeStore(to, 'target');
  if (from === to) throw expected('INVALID_OPTION', 'the target of copyStore', 'another store than its source', to);
  return opened(from, () =>
    opened(to, async () => {
      if (!to.supports.operations.includes('import'))
        throw expected('NOT_SUPPORTED', to.name, 'a store that can take over a log', to.supports.operations.join(', '));
      const late = new LateChanges(from, to);
      try {
        return await copy(from, to, checked, late);
      } finally {
        late.dispose();
      }
    }),
  );
}

/** A url is what `openStore` takes, and a bus has a store. */
function mustBeStore(store: unknown, which: string): void {
  if (typeof (store as Partial<Store> | null | undefined)?.takeOver === 'function') return;
  const remedy = "a store, such as sqlite('./events.db') or what openStore(url) resolves to";
  throw expected('INVALID_OPTION', `the ${which} of copyStore`, remedy, store);
}

async function copy(from: Store, to: Store, options: CopyOptions, late: LateChanges): Promise<CopyReport> {
  const { forget = false, map, documents: withDocuments = true } = options;
  // Before the head: a checkpoint that moves meanwhile must not be ahead of what is copied.
  const documents = withDocuments ? await readDocuments(from) : (new Map() as DocumentSet);
  const end = await from.head();
  const mapping = mappingOf(options, to.supports.maxEventBytes);
  const mapped = map !== undefined;
  const target = await Target.prepare(to, from, { mapped, forget, mapping, end, now: systemClock.now() });
  await target.mustNotBe(from);
  const source = new Source(from, { mapping, forget, leftOutAt: target.begun });
  const resumedFrom = (await to.head()).position;
  const { events, leftOut, tombstones } = await copyLog(source, to, target, { end, options });
  await late.apply(end.position, mapping);
  const written = documents && withDocuments ? await writeDocuments(to, documents, end.position) : 0;
  await target.note(end.position, 'done');
  const notices = documents ? [] : [`${from.name} cannot list its documents: none were copied`];
  return { position: end.position, resumedFrom, events, leftOut, tombstones, documents: written, notices };
}

interface Course {
  readonly end: { readonly position: number; readonly storedAt: number };
  readonly options: CopyOptions;
}

async function copyLog(
  source: Source,
  to: Store,
  target: Target,
  { end, options: { progress, signal } }: Course,
): Promise<Pick<CopyReport, 'events' | 'leftOut' | 'tombstones'>> {
  let [events, leftOut, tombstones] = [0, 0, 0];
  let head = await to.head();
  const tell = (): void => progress?.({ position: head.position, through: end.position, events, leftOut });
  tell();
  while (head.position < end.position) {
    if (signal?.aborted === true) throw await aborted(target, head.position, end.position);
    const stretch = await source.next(head, end);
    await to.takeOver(stretch.slice);
    head = { position: stretch.slice.to, storedAt: stretch.slice.storedAt };
    events += stretch.slice.events.length;
    leftOut += stretch.leftOut;
    tombstones += stretch.slice.tombstones.length;
    await target.reached(head.position);
    tell();
  }
  return { events, leftOut, tombstones };
}

async function aborted(target: Target, position: number, through: number): Promise<TelltaleError> {
  await target.note(position, 'copying');
  const message = `the copy was aborted at position ${position} of ${through}; the same call goes on from there`;
  return new TelltaleError('ABORTED', message, { details: { position, through } });
}

async function opened<T>(store: Store, work: () => Promise<T>): Promise<T> {
  if (store.health().status !== 'closed') return work();
  await store.open();
  let result: T;
  try {
    result = await work();
  } catch (error) {
    const closing = await store.close().then(() => undefined, toError);
    throw closing === undefined ? error : both(error, closing);
  }
  await store.close();
  return result;
}

/** Why the work failed comes first, and how the closing went is not lost. */
function both(error: unknown, closing: Error): TelltaleError {
  const code = isTelltaleError(error) ? error.code : 'STORE_UNAVAILABLE';
  const message = `${toError(error).message}; and closing failed: ${closing.message}`;
  return new TelltaleError(code, message, { cause: new AggregateError([error, closing], message) });
}
