import type { Store } from '../store/port.ts';

/**
 * What is left of a damaged log, read past its head and its counters. Whatever is asked throws `STORE_CORRUPT` where
 * something of it is damaged; the rest can be asked for in smaller pieces.
 */
export interface Remains extends Pick<
  Store,
  'page' | 'removed' | 'tombstones' | 'collections' | 'listDocuments' | 'document'
> {
  /** Up to where positions were given, and up to where something is there: the second is no larger. */
  extent(): Promise<{ readonly end: number; readonly reach: number }>;
  close(): void | Promise<void>;
}

/** A store that can say more of a damaged log than the port does. */
export interface Damageable {
  /** What is wrong with the tables of the open log, beyond what is read of it. */
  inspect(): AsyncIterable<{ readonly problem: string; readonly position?: number }>;
  /** The log must not be open. */
  remains(): Promise<Remains>;
}
