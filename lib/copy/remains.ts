import type { RemovedRange, Store } from '../store/port.ts';
import type { Range } from '../store/ranges.ts';
import type { Extent } from './extent.ts';

/**
 * What is left of a damaged log, read past its head and its counters. Whatever is asked throws `STORE_CORRUPT` where
 * something of it is damaged; the rest can be asked for in smaller pieces.
 */
export interface Remains extends Pick<Store, 'page' | 'tombstones' | 'collections' | 'listDocuments' | 'document'> {
  removed(range: Range): Promise<readonly RemovedRange[]>;
  extent(): Promise<Extent>;
  close(): void | Promise<void>;
}

/** A store that can say more of a damaged log than the port does. */
export interface Damageable {
  /** What is wrong with the tables of the open log, beyond what is read of it. */
  inspect(): AsyncIterable<{ readonly problem: string; readonly position?: number }>;
  /** The log must not be open. */
  remains(): Promise<Remains>;
}
