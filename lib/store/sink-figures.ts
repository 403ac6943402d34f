/** How one sink of a bus is doing. */
export interface SinkFigures {
  readonly name: string;
  /** `failing`: it is tried again. `failed`: its attempts are used up, until the next start. */
  readonly status: 'opening' | 'running' | 'failing' | 'failed' | 'closed';
  /** Everything at or below it is in the sink, or was not meant for it. */
  readonly position: number;
  /** How far behind the log: positions, and how long ago the oldest event was stored that it has not got. */
  readonly lag: { readonly events: number; readonly ms: number };
  /** Events it took since it was started here, repetitions included. */
  readonly written: number;
  /** Events it refused for good, which are dead letters. */
  readonly refused: number;
  /** Attempts that failed. */
  readonly failures: number;
  readonly lastError?: { readonly code?: string; readonly message: string };
}
