import type { TelltaleEvent } from '../../lib/index.ts';

/** What all logs are measured through: append everything, then say how much lies on the disk. */
export interface LogRival {
  readonly name: string;
  open(folder: string): Promise<void>;
  /** Appends all events, with at most `inFlight` not acknowledged at any time. */
  appendAll(events: readonly TelltaleEvent[], inFlight: number): Promise<void>;
  close(): Promise<unknown>;
  /** How many events the closed log in `folder` holds. */
  count(folder: string): Promise<number>;
}

/** Keeps `inFlight` calls under way until every event has had its own. */
export async function keepInFlight<T>(
  items: readonly T[],
  inFlight: number,
  call: (item: T) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < items.length) await call(items[next++]!);
  };
  await Promise.all(Array.from({ length: Math.min(inFlight, items.length) }, lane));
}
