import type { Fence, Store } from '../store/port.ts';

/** Documents of this collection hold how far sweeps have come. */
export const RETENTION = 'retention';
const KEY = 'sweep';

/** A sweep on its way: one that was cut goes on from the same moment and head. */
export interface SweepProgress {
  readonly at: number;
  readonly head: number;
  /** Everything up to here has been seen to. */
  readonly position: number;
  /** The rules it goes by. */
  readonly rules: string;
}

/** The sweep that was under way when the process ended; undefined where there is none, or where the rules are others now. */
export async function readProgress(store: Store, rules: string): Promise<SweepProgress | undefined> {
  const value = (await store.document(RETENTION, KEY))?.value as SweepProgress | undefined;
  return value?.rules === rules ? value : undefined;
}

export async function writeProgress(store: Store, progress: SweepProgress, fence: Fence | undefined): Promise<void> {
  await store.putDocument(RETENTION, KEY, progress, { position: progress.head, ...(fence && { fence }) });
}

export async function endProgress(store: Store): Promise<void> {
  await store.deleteDocument(RETENTION, KEY);
}
