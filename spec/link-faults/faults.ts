/** Ways for a worker to go. `terminate` comes from outside. */
export const WAYS = ['throw', 'exit', 'memory', 'terminate', 'loop'] as const;
/** Where in the life of an event. */
export const STAGES = ['before', 'between', 'after'] as const;

export type Way = (typeof WAYS)[number];
export type Stage = (typeof STAGES)[number];

export interface Strike {
  readonly way: Way;
  readonly stage: Stage;
  /** The number of the event it strikes at, from 0. */
  readonly at: number;
  /** How often it strikes. @default 1 */
  readonly times?: number;
}

/** A stream of events for a worker, or from it, and what befalls it. */
export interface Ordeal {
  readonly direction: 'down' | 'up';
  readonly strikes: readonly Strike[];
  /** A link that acknowledges what is not done yet. */
  readonly broken?: boolean;
}

export const EVENTS = 1_000;
/** In the ledger, behind a place for each event: whether the worker has sent everything, and how often each strike has struck. */
export const SENT = EVENTS;
export const STRUCK = EVENTS + 1;

/** What workers find in `workerData`; the ledger survives them. */
export interface WorkerTerms {
  readonly ordeal: Ordeal;
  readonly ledger: SharedArrayBuffer;
}
