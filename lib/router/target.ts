import type { Envelope } from '../event/envelope.ts';
import type { TelltaleEvent } from '../event/event.ts';

/** Whoever the router hands events to: a subscription, or a group that picks one of its members. Never throws. */
export interface Target {
  offer(envelope: Envelope): void;
  /** Is anybody there who takes it? */
  wants(event: TelltaleEvent): boolean;
  /** As `offer`, outside of a dispatch: for a dead letter that is tried again. */
  again(envelope: Envelope): void;
  /** Has no room for this event and wants the publisher to wait for it. */
  congested(envelope: Envelope): boolean;
  /** Publishers have waited for this event long enough: nobody waits again until one of its handlers has ended. */
  giveUp(envelope: Envelope): void;
}
