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

export interface CutSweep {
  /** The sweep that was under way when the process ended. */
  readonly cut?: SweepProgress;
  /** The moment of one that is not gone on with, because it lies ahead: what is not due yet would go. */
  readonly ahead?: number;
}

/** Nothing where no sweep was cut, or where the rules are others now. */
export async function readProgress(store: Store, rules: string, now: number): Promise<CutSweep> {
  const value = (await store.document(RETENTION, KEY))?.value as Partial<SweepProgress> | undefined;
  if (value?.rules !== rules || !Number.isFinite(value.at) || !Number.isSafeInteger(value.head)) return {};
  const cut = value as SweepProgress;
  return cut.at > now ? { ahead: cut.at } : { cut };
}

export async function writeProgress(store: Store, progress: SweepProgress, fence: Fence | undefined): Promise<void> {
  await store.putDocument(RETENTION, KEY, progress, { position: progress.head, ...(fence && { fence }) });
}

export async function endProgress(store: Store): Promise<void> {
  await store.deleteDocument(RETENTION, KEY);
}
