import { isTelltaleError } from '../errors.ts';

/** Up to where positions were given, and up to where something is there: the second is no larger. */
export interface Extent {
  readonly end: number;
  readonly reach: number;
}

/** What a log that may be damaged says of its last positions, 0 for none; `STORE_CORRUPT` where it cannot be read. */
export interface Traces {
  /** What it counts. */
  readonly head: () => Promise<number>;
  /** The last event up to a position. */
  readonly lastEvent: (through: number) => Promise<number>;
  /** The last of what else has positions. */
  readonly others: readonly (() => Promise<number>)[];
  /** Tells of positions where the head cannot be read. */
  readonly named?: () => Promise<number>;
}

/** The head is believed only as far as nothing lies behind it, and what cannot be read may be anywhere up to the end. */
export async function extentOf({ head, lastEvent, others, named = none }: Traces): Promise<Extent> {
  const lastUpTo = (through: number): Promise<number | undefined> => unlessDamaged(() => lastEvent(through));
  const counted = await unlessDamaged(head);
  const lasts = [await lastUpTo(Number.MAX_SAFE_INTEGER)];
  for (const last of others) lasts.push(await unlessDamaged(last));
  if (counted === undefined) lasts.push(await unlessDamaged(named));
  if (counted === undefined && lasts[0] === undefined) lasts.push(await lastReadable(lastUpTo));
  const reach = Math.max(0, ...lasts.map((last) => last ?? 0));
  const end = Math.max(counted ?? 0, reach);
  return { end, reach: lasts.includes(undefined) ? end : reach };
}

/** Nothing where it is damaged. */
export async function unlessDamaged<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (isTelltaleError(error, 'STORE_CORRUPT')) return undefined;
    throw error;
  }
}

async function none(): Promise<number> {
  return 0;
}

/** Where the last pages are gone, what lies before them. */
async function lastReadable(lastUpTo: (through: number) => Promise<number | undefined>): Promise<number> {
  let [last, beyond] = [0, Number.MAX_SAFE_INTEGER];
  while (beyond - last > 1) {
    const middle = last + Math.floor((beyond - last) / 2);
    if ((await lastUpTo(middle)) === undefined) beyond = middle;
    else last = middle;
  }
  return (await lastUpTo(last)) ?? 0;
}
