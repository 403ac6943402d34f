import { promisify } from 'node:util';
import { deflateRaw, inflateRaw } from 'node:zlib';
import { isTelltaleError } from '../errors.ts';
import { admit } from '../event/admission.ts';
import { SNAPSHOTS } from '../store/documents.ts';
import type { Store } from '../store/port.ts';

/** The state of an entity after the event of a revision. */
export interface Snapshot {
  readonly state: unknown;
  readonly revision: number;
  /** Of that event. */
  readonly position: number;
}

/** How a snapshot is to be kept. */
export interface Keeping {
  readonly schemaVersion: number;
  /** Bytes of the state as JSON above which it is compressed. */
  readonly compressAbove: number;
}

/** `position` is what retention goes by; the state is there as it is, or packed. */
interface Content extends Partial<Snapshot> {
  readonly entity?: string;
  readonly schemaVersion?: number;
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

/** The last snapshot of an entity; undefined where there is none that this version of the state can begin with. */
export async function readSnapshot(store: Store, entity: string, version: number): Promise<Snapshot | undefined> {
  const document = await store.document(SNAPSHOTS, entity);
  const { revision, position, schemaVersion, ...content } = (document?.value ?? {}) as Content;
  if (schemaVersion !== version || revision === undefined || position === undefined) return undefined;
  // `apply` may change it in place, and some stores hand out what they keep.
  if (content.packed === undefined) return { state: structuredClone(content.state), revision, position };
  const state = await unpack(content.packed);
  return state && { ...state, revision, position };
}

/**
 * Keeps a snapshot, unless there is one already that is as new: two processes may hold the entity, and what lies behind
 * the newer one may be removed by now. Rejects with `PAYLOAD_*` for a state that is not plain data, and with what the
 * store refuses.
 */
export async function saveSnapshot(store: Store, entity: string, snapshot: Snapshot, keeping: Keeping): Promise<void> {
  const { position, revision } = snapshot;
  const { schemaVersion, compressAbove } = keeping;
  const admitted = admit(snapshot.state, 'payload', MAX_STATE_BYTES);
  const state =
    admitted.bytes > compressAbove ? { packed: await pack(admitted.value) } : { state: admitted.value as unknown };
  const value = { entity, position, revision, schemaVersion, ...state };
  const there = await store.document(SNAPSHOTS, entity);
  const known = there?.value as Content | undefined;
  if (known?.schemaVersion === schemaVersion && known.position! >= position) return;
  try {
    await store.putDocument(SNAPSHOTS, entity, value, { position, etag: there?.etag ?? null });
  } catch (error) {
    // Somebody else was faster, and his is as good.
    if (!isTelltaleError(error, 'DOCUMENT_CONFLICT')) throw error;
  }
}

const pack = async (state: unknown): Promise<string> =>
  (await deflate(JSON.stringify(state), { level: LEVEL })).toString('base64');

// One that cannot be read is as good as none: the events are there, or their loss is told.
async function unpack(packed: string): Promise<Pick<Snapshot, 'state'> | undefined> {
  try {
    const text = await inflate(Buffer.from(packed, 'base64'), { maxOutputLength: MAX_TEXT_BYTES });
    return { state: JSON.parse(text.toString()) as unknown };
  } catch {
    return undefined;
  }
}
