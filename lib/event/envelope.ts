import type { Asking, Cause, Chain, Joint, Retelling } from '../context.ts';
import type { TelltaleEvent } from './event.ts';
import { inheritedOf } from './inherit.ts';

/** Whom an event is told to, beside those who hear its type. Never throws. */
export interface Recipient {
  offer(envelope: Envelope): void;
  /** Has no room for this event and wants the publisher to wait for it. */
  congested(envelope: Envelope): boolean;
  /** Publishers have waited for this event long enough. */
  giveUp(envelope: Envelope): void;
}

/**
 * One accepted event on its way: the record itself, what the bus knows about it, and the context its handlers run in
 * (an envelope *is* the cause of what they emit). Made once per event; queues and mailboxes hold the same object, so
 * its fields are few: everything that follows from the event is worked out when it is asked for.
 */
export class Envelope implements Cause {
  readonly event: TelltaleEvent;
  /** Estimated size, for every bound in bytes. */
  readonly bytes: number;
  /** Written nowhere. */
  readonly transient: boolean;
  /** False for `payload: 'trust'`: the store admits it before it writes. */
  readonly admitted: boolean;
  readonly chain: Chain;
  readonly owner: object;
  /** Only events that are told again have one, and no other pays for it. */
  declare readonly retelling?: Retelling | undefined;
  /** Only what an answerer is handed has one; the request that subscriptions hear has none. */
  declare readonly asking?: Asking | undefined;
  /** The link an event has come in through, which does not carry it back. */
  declare origin?: object | undefined;
  /** While a handler works on it in the transaction of its target. */
  declare joint?: Joint | undefined;
  /** Set on the events that are told to an actor. */
  declare to?: Recipient | undefined;
  running = 0;
  /** Position in the log, 0 until it is stored. */
  position = 0;
  /** On its way into the log. */
  writing = false;
  /** Dispatched when it is stored, not before. */
  deferred = false;
  /** Called once, in order, with the position when the write has ended; 0 where the event is not in the log. */
  whenStored: ((position: number) => void)[] | undefined = undefined;

  constructor(event: TelltaleEvent, bytes: number, transient: boolean, admitted: boolean, chain: Chain, owner: object) {
    this.event = event;
    this.bytes = bytes;
    this.transient = transient;
    this.admitted = admitted;
    this.chain = chain;
    this.owner = owner;
  }

  get correlationId(): string {
    return this.event.correlationId;
  }

  get handling(): string {
    return this.event.id;
  }

  /** A transient event is never a cause: what it brings about names the nearest stored event above. */
  get causationId(): string | undefined {
    return this.transient ? this.event.causationId : this.event.id;
  }

  get inherited(): Readonly<Record<string, unknown>> | undefined {
    return inheritedOf(this.event.metadata);
  }
}
