import type { Duration } from '../duration.ts';

/** A place in the log. `from` and `to` include it, `after` excludes it. */
export type Place =
  | number
  | 'earliest'
  | 'latest'
  | Date
  | { readonly position: number }
  | { readonly time: number | string | Date }
  | { readonly eventId: string }
  | { readonly checkpoint: string }
  | { readonly ago: Duration };
