import type { Envelope } from '../event/envelope.ts';
import type { Failure } from './invoke.ts';

/** An event that somebody elsewhere handles. */
export interface Handed {
  readonly envelope: Envelope;
  /** To be told once when it has been dealt with, undefined for success. */
  ended(failure: Failure | undefined): void;
}

/** Hands events to a handler in another thread or process. Never throws. */
export interface LinkEnd {
  /** While it has fewer bytes of events in its hands, it takes one more. */
  readonly maxBytes: number;
  /** Ends it before it returns, or later. */
  take(handed: Handed): void;
}
