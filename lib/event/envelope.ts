import type { Cause } from '../context.ts';
import type { TelltaleEvent } from './event.ts';

/**
 * One accepted event on its way: the record itself, what the bus knows about it, and the context its handlers run in
 * (an envelope *is* the cause of what they emit). Made once per event; queues and mailboxes hold the same object.
 */
export interface Envelope extends Cause {
  readonly event: TelltaleEvent;
  /** Estimated size, for every bound in bytes. */
  readonly bytes: number;
  /** Written nowhere. */
  readonly transient: boolean;
  /** False for `payload: 'trust'`: the store admits it before it writes. */
  readonly admitted: boolean;
  /** Position in the log, 0 until it is stored. */
  position: number;
  /** Called once with the position when the write has ended; 0 where the event is not in the log. */
  whenStored: ((position: number) => void) | undefined;
  /** On its way into the log. */
  writing: boolean;
  /** Dispatched when it is stored, not before. */
  deferred: boolean;
}
