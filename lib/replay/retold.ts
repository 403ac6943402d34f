import { NO_CHAIN, type Chain, type Retelling } from '../context.ts';
import type { Envelope } from '../event/envelope.ts';
import type { StoredEvent } from '../event/event.ts';
import { inheritedOf } from '../event/inherit.ts';

/**
 * A stored event on its way to handlers once more, and the cause of what they emit. Most of an envelope says how an
 * event gets into the log; this one has been there for long, and a replay makes millions: what is the same for all of
 * them is no field.
 */
export class Retold implements Envelope {
  readonly event: StoredEvent;
  readonly retelling: Retelling;
  readonly owner: object;
  running = 0;

  constructor(event: StoredEvent, retelling: Retelling, owner: object) {
    this.event = event;
    this.retelling = retelling;
    this.owner = owner;
  }

  get position(): number {
    return this.event.position;
  }

  /** Only mailboxes ask, and a replay has few events in them. */
  get bytes(): number {
    return 256;
  }

  get transient(): boolean {
    return false;
  }

  get admitted(): boolean {
    return true;
  }

  get writing(): boolean {
    return false;
  }

  get deferred(): boolean {
    return false;
  }

  get whenStored(): undefined {
    return undefined;
  }

  get chain(): Chain {
    return NO_CHAIN;
  }

  get correlationId(): string {
    return this.event.correlationId;
  }

  get causationId(): string {
    return this.event.id;
  }

  get handling(): string {
    return this.event.id;
  }

  /** What is accepted although it comes from a replay says so. */
  get inherited(): Readonly<Record<string, unknown>> | undefined {
    const inherited = inheritedOf(this.event.metadata);
    return this.retelling.capture === undefined ? { ...inherited, $replay: this.retelling.id } : inherited;
  }
}
