import { promisify } from 'node:util';
import { deflateRaw, inflateRaw } from 'node:zlib';
import { isTelltaleError, TelltaleError } from '../errors.ts';
import { admit } from '../event/admission.ts';
import { isCount } from '../parse-options.ts';
import { SNAPSHOTS } from '../store/documents.ts';
import type { PutOptions, Store } from '../store/port.ts';

/** The state of an entity after the event of a revision. */
export interface Snapshot {
  readonly state: unknown;
  readonly revision: number;
  /** Of that event. */
  readonly position: number;
  /** That event. */
  readonly eventId?: string | undefined;
}

/** How a snapshot is to be kept. */
export interface Keeping {
  readonly schemaVersion: number;
  /** Bytes of the state as JSON above which it is compressed. */
  readonly compressAbove: number;
}

/** `position` is what retention goes by; the state is there as it is, or packed. */
interface Content extends Snapshot {
  readonly entity: string;
  readonly schemaVersion: number;
  /** The state as JSON, compressed (deflate), in base64. */
  readonly packed?: string;
}

const MAX_STATE_BYTES = 64 * 1024 * 1024;
/** The estimate of a size leaves out what escapes add to it. */
const MAX_TEXT_BYTES = 6 * MAX_STATE_BYTES;
/** Quick, and half as small as it could be. */
const LEVEL = 1;
// Both work beside the event loop.
const deflate = promisify<string, { level: number }, Buffer>(deflateRaw);
const inflate = promisify<Buffer, { maxOutputLength: number }, Buffer>(inflateRaw);

/** Whose snapshot, and who is told why one that is there is of no use. */
export interface Wanted {
  readonly entity: string;
  readonly schemaVersion: number;
  readonly ignored?: ((reason: TelltaleError) => void) | undefined;
}

/**
 * The last snapshot of an entity; undefined where there is none that this version of the state can begin with. One that is
 * damaged, or of another log than this one (which was restored from a backup, say), is as good as none: the events are
 * there, or their loss is told.
 */
export async function readSnapshot(store: Store, { entity, ...wanted }: Wanted): Promise<Snapshot | undefined> {
  const ignore = (why: string, about = {}): undefined => {
    const text = `the snapshot of ${entity} is ignored: ${why}; its state is rebuilt from the events`;
    wanted.ignored?.(new TelltaleError('STORE_CORRUPT', text, { details: { entity, ...about } }));
  };
  const { etag, value } = await read(store, entity);
  if (etag === null) return undefined;
  if (!isContent(value, entity)) return ignore('it is damaged');
  const { revision, position, schemaVersion, eventId, ...content } = value;
  if (schemaVersion !== wanted.schemaVersion) return undefined;
  const place = { revision, position, ...(eventId !== undefined && { eventId }) };
  if (!(await isInLog(store, entity, place)))
    return ignore(`revision ${revision} at position ${position} is not in this log`, place);
  // `apply` may change it in place, and some stores hand out what they keep.
  if (content.packed === undefined) return { state: structuredClone(content.state), ...place };
  const state = await unpack(content.packed);
  return state ? { ...state, ...place } : ignore('it is damaged');
}

/**
 * Keeps a snapshot, unless there is one already that is as new, or of a newer version of the state: two processes may hold
 * the entity, and what lies behind the newer one may be removed by now. Rejects with `PAYLOAD_*` for a state that is not plain data, and with what the
 * store refuses.
 */
export async function saveSnapshot(store: Store, entity: string, snapshot: Snapshot, keeping: Keeping): Promise<void> {
  const { position, revision, eventId } = snapshot;
  const { schemaVersion, compressAbove } = keeping;
  // Before its first event there is nothing to begin with but `initial`.
  if (revision === 0) return;
  const admitted = admit(snapshot.state, 'state', MAX_STATE_BYTES);
  const state =
    admitted.bytes > compressAbove ? { packed: await pack(admitted.value) } : { state: admitted.value as unknown };
  const value = { entity, position, revision, schemaVersion, ...(eventId !== undefined && { eventId }), ...state };
  const { value: there, ...expected } = await read(store, entity);
  if (await mustStay(store, there, value)) return;
  try {
    await store.putDocument(SNAPSHOTS, entity, value, { position, ...expected });
  } catch (error) {
    // Somebody else was faster, and his is as good.
    if (!isTelltaleError(error, 'DOCUMENT_CONFLICT')) throw error;
  }
}

interface Found extends Pick<PutOptions, 'etag'> {
  readonly value?: unknown;
}

/** `etag: null` where there is none; nothing at all of one that cannot be read, which cannot be compared either. */
async function read(store: Store, entity: string): Promise<Found> {
  try {
    const document = await store.document(SNAPSHOTS, entity);
    return document ? { etag: document.etag, value: document.value } : { etag: null };
  } catch (error) {
    if (isTelltaleError(error, 'STORE_CORRUPT')) return {};
    throw error;
  }
}

type Place = Omit<Snapshot, 'state'>;

async function mustStay(store: Store, there: unknown, next: Omit<Content, 'state'>): Promise<boolean> {
  if (!isContent(there, next.entity) || there.schemaVersion < next.schemaVersion) return false;
  if (there.schemaVersion > next.schemaVersion) return true;
  return there.position >= next.position && isInLog(store, next.entity, there);
}

function isContent(value: unknown, entity: string): value is Content {
  if (typeof value !== 'object' || value === null) return false;
  const { position, revision, schemaVersion, state, packed, ...content } = value as Partial<Content>;
  if (content.entity !== entity || ![position, revision, schemaVersion].every(isCount)) return false;
  return packed === undefined ? state !== undefined : typeof packed === 'string';
}

/** Is the event it stands behind what this log has there? A removed one is taken on trust, unless the next one denies it. */
async function isInLog(store: Store, entity: string, { position, revision, eventId }: Place): Promise<boolean> {
  const query = { after: position - 1, through: position, descending: false, limit: 1 };
  const [event] = (await store.page(query)).events;
  if (event !== undefined)
    return event.entity === entity && event.revision === revision && (eventId ?? event.id) === event.id;
  if (revision > (await store.revision(entity))) return false;
  const { position: through } = await store.head();
  if (position > through) return false;
  for (let after = position; ;) {
    const page = await store.page({ entity, after, through, descending: false, limit: 1 });
    const [next] = page.events;
    if (next !== undefined || page.done) return next === undefined || next.revision > revision;
    after = page.looked;
  }
}

const pack = async (state: unknown): Promise<string> =>
  (await deflate(JSON.stringify(state), { level: LEVEL })).toString('base64');

/** `undefined` where it is damaged. */
async function unpack(packed: string): Promise<Pick<Snapshot, 'state'> | undefined> {
  try {
    const text = await inflate(Buffer.from(packed, 'base64'), { maxOutputLength: MAX_TEXT_BYTES });
    return { state: JSON.parse(text.toString()) as unknown };
  } catch {
    return undefined;
  }
}
