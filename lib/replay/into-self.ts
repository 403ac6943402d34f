import { runWithCause } from '../context.ts';
import { TelltaleError } from '../errors.ts';
import { deepFrozen } from '../event/deep-frozen.ts';
import type { Envelope } from '../event/envelope.ts';
import type { TelltaleEvent } from '../event/event.ts';
import type { Recipient, RecipientParts } from './recipient.ts';
import { Retold } from './retold.ts';

/** A subscription of this bus that hears events told again. */
export interface Listener {
  readonly live: boolean;
  readonly options: { readonly mailbox: { readonly max: number } };
  accepts(event: TelltaleEvent): boolean;
  isHandling(id: string): boolean;
  take(envelope: Envelope): void;
}

/** Events told and not ended, at most; fewer where a mailbox is smaller. */
const OUTSTANDING = 256;

export interface SelfRecipient extends Recipient {
  /** A listener has done with an event. */
  ended(): void;
}

/**
 * Tells the subscriptions that asked for it, through their own mailboxes, so that live events keep their turn. Stops with
 * `WOULD_DEADLOCK` before it tells one whose handler asked for the replay and has not ended: `askedBy` is the event of
 * that handler.
 */
export function intoSelf(
  listeners: (type: string) => readonly Listener[],
  parts: RecipientParts,
  askedBy: string | undefined,
): SelfRecipient {
  let outstanding = 0;
  let wake: (() => void) | undefined;
  const until = (condition: () => boolean): Promise<void> | undefined => {
    if (condition()) return undefined;
    return new Promise((resolve) => (wake = () => condition() && resolve()));
  };
  const rest = (): Promise<void> | undefined => until(() => outstanding === 0);
  return {
    tell(event) {
      const heard = listeners(event.type).filter((listener) => listener.live && listener.accepts(event));
      if (heard.length === 0) {
        parts.desk.skipped();
        return undefined;
      }
      if (askedBy !== undefined && heard.some((listener) => listener.isHandling(askedBy))) {
        parts.desk.stop(wouldDeadlock(event.type));
        return undefined;
      }
      const shared = heard.length > 1 ? deepFrozen(event) : event;
      const envelope = new Retold(shared, parts.retelling, parts.owner);
      outstanding += heard.length;
      const take = (): void => {
        for (const listener of heard) listener.take(envelope);
      };
      runWithCause(envelope, take, undefined);
      const most = Math.min(OUTSTANDING, ...heard.map(({ options }) => options.mailbox.max));
      return until(() => outstanding < most);
    },
    ended() {
      outstanding--;
      wake?.();
    },
    // What waits in mailboxes is told: it stands between live events there.
    stop: rest,
    rest,
    running: () => outstanding,
  };
}

function wouldDeadlock(type: string): TelltaleError {
  const text = `a replay into this bus would tell \`${type}\` to the subscription whose handler began it and still runs; begin it when the handler has returned, for example in setImmediate`;
  return new TelltaleError('WOULD_DEADLOCK', text);
}
