import type { TelltaleError } from '../errors.ts';

/** How the bus is. `ok`: all is kept. `degraded`: the store is being tried again, or a worker is given up. `failed`: nothing is kept any more. */
export interface Health {
  readonly status: 'ok' | 'degraded' | 'failed' | 'closed';
  /** The store's name, absent for a bus without one. */
  readonly store?: string;
  readonly durability: 'none' | 'memory' | 'os' | 'disk';
  /** The store was opened for reading only; absent otherwise. Only transient events are taken. */
  readonly readOnly?: true;
  /** Accepted and not yet stored. */
  readonly backlog: { readonly events: number; readonly bytes: number };
  readonly lastError?: { readonly code: string; readonly message: string };
  readonly diskFreeBytes?: number;
  /** Of a store behind a network: connections open and idle, and calls that wait for one. */
  readonly connections?: { readonly open: number; readonly idle: number; readonly waiting: number };
  /** What the store found at opening or could not do since, and what the parts of the bus have to say. */
  readonly notices: readonly string[];
}

export const describeError = (error: TelltaleError): { readonly code: string; readonly message: string } => ({
  code: error.code,
  message: error.message,
});
